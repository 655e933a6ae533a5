package register_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

var careSection = regexp.MustCompile(`(?m)^care:.*\n([ \t].*\n|\n)*`)

// withCare is a register of the repository with terms of its own.
func withCare(t testing.TB, name, terms string) *register.Definition {
	t.Helper()
	folder := fstest.MapFS{}
	err := fs.WalkDir(registers.FS, name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		folder[path] = &fstest.MapFile{Data: sample(t, path)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file := folder[name+"/"+register.DefinitionFile]
	file.Data = append(careSection.ReplaceAll(file.Data, nil), "\ncare:\n  "+strings.ReplaceAll(terms, "\n", "\n  ")+"\n"...)
	defs, err := register.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return defs[name]
}

// misbehave listens and gives every connection to f, which may hold it until its
// peer or the test ends.
func misbehave(t testing.TB, f func(c net.Conn, ended <-chan struct{})) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				f(c, ended)
			})
		}
	})
	t.Cleanup(func() { l.Close(); close(ended); wg.Wait() })
	return l.Addr().String()
}

// asked reads one request; it is nil when the peer has gone.
func asked(c net.Conn) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return nil
	}
	io.Copy(io.Discard, r.Body)
	return r
}

// forever writes the same until nobody reads.
func forever(c net.Conn, text []byte) {
	for {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// gone waits until the peer closes.
func gone(c net.Conn) { io.Copy(io.Discard, c) }

func head(contentType string, more ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\n" + strings.Join(more, "")
}

// TestAHostileRegisterHarmsNoOther: while one register misbehaves, every query to
// its neighbour in the same process is answered in time, no query to it makes a
// record, and nothing is left behind.
func TestAHostileRegisterHarmsNoOther(t *testing.T) {
	found := sample(t, "companies/testdata/found.reply.xml")
	full := head("application/xml", fmt.Sprintf("Content-Length: %d\r\n\r\n", len(found)), string(found))
	for _, tc := range []struct {
		rule string
		tls  bool
		f    func(c net.Conn, ended <-chan struct{})
	}{
		{"takes connections and says nothing", false, func(c net.Conn, _ <-chan struct{}) { gone(c) }},
		{"begins TLS and does not go on", true, func(c net.Conn, ended <-chan struct{}) {
			c.Write([]byte{22, 3, 3, 0x40, 0})
			for {
				if _, err := c.Write([]byte{2}); err != nil {
					return
				}
				select {
				case <-ended:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}},
		{"hangs before its headers", false, func(c net.Conn, _ <-chan struct{}) { asked(c); gone(c) }},
		{"drips its body", false, func(c net.Conn, ended <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Content-Length: 1000000\r\n\r\n<a>"))
			for {
				if _, err := c.Write([]byte{'x'}); err != nil {
					return
				}
				select {
				case <-ended:
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		}},
		{"floods its body", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "\r\n<a>"))
			forever(c, bytes.Repeat([]byte("x"), 64<<10))
		}},
		{"floods its headers", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml"))
			forever(c, []byte("X-Flood: y\r\n"))
		}},
		{"sets cookies without measure", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Set-Cookie: a="))
			forever(c, bytes.Repeat([]byte("x"), 64<<10))
		}},
		{"bids to continue for ever", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			forever(c, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
		}},
		{"lies about its length", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Content-Length: 999999999\r\n\r\n", string(found)))
		}},
		{"says less than it sends", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Content-Length: 100\r\n\r\n", string(found)))
		}},
		{"lies about its encoding", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Content-Encoding: gzip\r\nConnection: close\r\n\r\n", string(found)))
		}},
		{"lies about its characters", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml; charset=utf-16", "Connection: close\r\n\r\n", string(found)))
		}},
		{"lies about its media type", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("image/png", "Connection: close\r\n\r\n", string(found)))
		}},
		{"breaks its chunks", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, head("application/xml", "Transfer-Encoding: chunked\r\n\r\n5\r\n<a>xy\r\nZZ\r\n"))
		}},
		{"answers 500 with a page", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>Oops")
		}},
		{"closes in mid-stream", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			io.WriteString(c, full[:len(full)/2])
		}},
		{"resets", false, func(c net.Conn, _ <-chan struct{}) {
			asked(c)
			c.(*net.TCPConn).SetLinger(0)
		}},
		{"answers for somebody else, twice", false, func(c net.Conn, _ <-chan struct{}) {
			other := strings.ReplaceAll(full, "test-B-00731", "test-B-00999")
			asked(c)
			io.WriteString(c, other+other)
			gone(c)
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var before runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			base := runtime.NumGoroutine()

			t.Run("meanwhile", func(t *testing.T) {
				scheme := "http://"
				if tc.tls {
					scheme = "https://"
				}
				payloads := &heap{}
				defer func() {
					if len(payloads.bytes) != 0 {
						t.Error("something of it was stored")
					}
				}()
				bad, err := register.New(withCare(t, "companies", "breaker: {failures: 1000}"),
					register.Endpoint{URL: scheme + misbehave(t, tc.f), Timeout: 250 * time.Millisecond, MaxReply: 1 << 20},
					register.Config{Payloads: payloads, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(bad.Close)
				neighbour := httptest.NewServer(reply(200, soapType, sample(t, "births/testdata/found.reply.xml")))
				t.Cleanup(neighbour.Close)
				good, err := register.New(withCare(t, "births", "concurrency: 2"), register.Endpoint{URL: neighbour.URL},
					register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(good.Close)

				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for range 4 {
							start := time.Now()
							ms, err := bad.Handle(t.Context(), query(t, "companies"))
							if f := canon.AsFault(err); f != nil && f.Code != canon.CodeRegisterDown || f == nil && record(t, ms, err).Outcome != canon.RecordFailed {
								t.Errorf("the register that misbehaves: got %v, %v", ms, err)
							}
							if took := time.Since(start); took > 5*time.Second {
								t.Errorf("a query to it took %v", took)
							}
						}
					})
				}
				defer wg.Wait()
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					ms, err := good.Handle(ctx, query(t, "births"))
					if rec := record(t, ms, err); rec.Outcome != canon.RecordFound {
						t.Errorf("the neighbour: got %s %s", rec.Outcome, rec.Code)
					}
					cancel()
				}
			})

			for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > base; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), base)
				}
			}
			var after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
				t.Errorf("%d bytes stay", grown)
			}
		})
	}
}
