package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// peer is the Java program, one for all tests of the run.
type peer struct {
	control string
	stdin   io.WriteCloser
	cmd     *exec.Cmd
	tmp     string
}

var jvm *peer // set by TestMain before any test runs; nil where no peer was built

func TestMain(m *testing.M) {
	dir := os.Getenv("ONCEGATE_TEST_PHASE4")
	if dir != "" {
		var err error
		if jvm, err = start(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if jvm != nil {
		if err := jvm.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func start(dir string) (*peer, error) {
	cp := filepath.Join(dir, "peer.jar") + string(os.PathListSeparator) + filepath.Join(dir, "lib", "*")
	tmp, err := os.MkdirTemp("", "interop-peer")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("java", "-Xmx3g", "-XX:+UseSerialGC", "-Djava.io.tmpdir="+tmp, "-Djava.security.egd=file:/dev/urandom", "-cp", cp, "peer.Peer")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the peer in %s: %w", dir, err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the peer in %s did not start: %w", dir, err)
	}
	var said struct{ Control string }
	if err := json.Unmarshal(line, &said); err != nil {
		return nil, fmt.Errorf("the peer said %q: %w", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return &peer{control: said.Control, stdin: in, cmd: cmd, tmp: tmp}, nil
}

func (p *peer) stop() error {
	if err := p.stdin.Close(); err != nil {
		return err
	}
	// A JVM that does not end by itself is killed: it is ours.
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(p.cmd.Wait(), os.RemoveAll(p.tmp))
}

// live skips a test that needs the Java peer.
func live(t testing.TB) *peer {
	t.Helper()
	if jvm == nil {
		t.Skip("ONCEGATE_TEST_PHASE4 is not set: `make test-interop` builds the Java peer and runs this")
	}
	return jvm
}

// client gives up a peer that hangs: the run would end without a word.
var client = &http.Client{Timeout: 2 * time.Minute}

type object map[string]any

// ask gives the peer one command and reads its answer.
func (p *peer) ask(t testing.TB, command object, answer any) {
	t.Helper()
	b, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(p.control, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failure struct{ Failure string }
	if err := json.Unmarshal(got, &failure); err != nil {
		t.Fatalf("peer answered %q: %v", got, err)
	}
	if failure.Failure != "" {
		t.Fatalf("peer: %s", failure.Failure)
	}
	if answer != nil {
		if err := json.Unmarshal(got, answer); err != nil {
			t.Fatalf("peer answered %q: %v", got, err)
		}
	}
}

// A station is an access point of phase4.
type station struct {
	peer *peer
	ID   string `json:"station"`
	URL  string `json:"url"`
}

// received is a user message as phase4 handed it to its consumer.
type received struct {
	Message      string
	RefTo        string `json:"ref_to"`
	Conversation string
	Service      string
	Action       string
	Agreement    string
	From, To     string
	Ping         bool
	Signed       bool
	Decrypted    bool
	Signer       string
	SignToken    string `json:"sign_token"`
	EncryptToken string `json:"encrypt_token"`
	Properties   []property
	Parts        []receivedPart
}

type receivedPart struct {
	ID         string
	Type       string
	Charset    string
	Compressed bool
	Size       int64
	SHA256     string
}

type property struct {
	Name  string `json:"name"`
	Type  string `json:"type,omitempty"`
	Value string `json:"value"`
}

// received returns what came to the station since the last call.
func (s *station) received(t testing.TB) []received {
	t.Helper()
	var got struct{ Messages []received }
	s.peer.ask(t, object{"do": "received", "station": s.ID}, &got)
	return got.Messages
}

// sent is how sending ended for phase4.
type sent struct {
	Result       string
	Status       int
	ResponseType string `json:"response_type"`
	Response     []byte
	ReceiptFor   string `json:"receipt_for"`
	Receipt      string
	Errors       []struct{ Code, Severity, Description, Detail string }
	Exception    string
}
