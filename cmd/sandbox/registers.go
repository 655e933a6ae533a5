package sandbox

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/registers"
	"oncegate/connectors/xmldoc"
)

// fakeRegisters are the national registers of the landscape. They answer the
// real wire of each built-in register with the register's own samples: the
// sample of a found record for the person it belongs to, that of an unknown
// person for everybody else.
type fakeRegisters struct {
	base string

	mu      sync.Mutex
	calls   map[string]int
	failing int           // so many calls still answer with the sample of a fault
	delay   time.Duration // before every answer
}

func newFakeRegisters() *fakeRegisters { return &fakeRegisters{calls: map[string]int{}} }

// fail makes the next n calls fail as the register's sample of a fault does.
func (f *fakeRegisters) fail(n int) { f.mu.Lock(); f.failing = n; f.mu.Unlock() }

// count returns how often a register was asked.
func (f *fakeRegisters) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[name]
}

const (
	maxQuery = 64 << 10

	sampleReady = "2026-09-15" // in the sample of the archive
	readyDays   = 10
)

//go:embed finland
var finnishFiles embed.FS

// finnishRegisters are the folders of the registers of Finland, which it has beside
// the built-in ones (registers_dir).
func finnishRegisters() fs.FS {
	sub, err := fs.Sub(finnishFiles, "finland")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

func (f *fakeRegisters) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /births/civil-status/v3", f.answer("births", "application/soap+xml; charset=utf-8", func(r *http.Request) (string, error) {
		return textOf(r, "PersonNumber")
	}, "test-00017-lm"))
	mux.HandleFunc("POST /residence/population/v2/residence-search", f.answer("residence", "application/xml", func(r *http.Request) (string, error) {
		return textOf(r, "Number")
	}, "test-00042-op"))
	mux.HandleFunc("GET /companies/companies/v1/{number}/extract", f.answer("companies", "application/xml; charset=utf-8", func(r *http.Request) (string, error) {
		return r.PathValue("number"), nil
	}, "test-B-00731"))
	surname := func(r *http.Request) (string, error) { return textOf(r, "Surname") }
	finnish := finnishRegisters()
	mux.HandleFunc("POST /diplomas/degrees/v1/search", f.answerFrom(finnish, "diplomas", "application/xml", surname, "Marwick-Testa", "found"))
	mux.HandleFunc("POST /archive/archive/v1/degrees", f.answerFrom(finnish, "archive", "application/xml", surname, "Marwick-Testa", "deferred"))
	return mux
}

// textOf reads the query as a register would and returns one element's text.
func textOf(r *http.Request, local string) (string, error) {
	doc, err := xmldoc.Parse(io.LimitReader(r.Body, maxQuery), xmldoc.Limits{})
	if err != nil {
		return "", fmt.Errorf("reading the query: %w", err)
	}
	found := ""
	var visit func(e xmldoc.Element)
	visit = func(e xmldoc.Element) {
		if e.Name().Local == local {
			found = e.Text()
		}
		for c := range e.Children() {
			visit(c)
		}
	}
	visit(doc.Root())
	return strings.TrimSpace(found), nil
}

func (f *fakeRegisters) answer(name, media string, whom func(*http.Request) (string, error), known string) http.HandlerFunc {
	return f.answerFrom(registers.FS, name, media, whom, known, "found")
}

// answerFrom answers with the samples of a register, for the person it knows with
// the given one.
func (f *fakeRegisters) answerFrom(samples fs.FS, name, media string, whom func(*http.Request) (string, error), known, knows string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.calls[name]++
		failing := f.failing > 0
		if failing {
			f.failing--
		}
		delay := f.delay
		f.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-r.Context().Done():
				return
			}
		}
		sample := "fault"
		if !failing {
			who, err := whom(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if sample = "notfound"; who == known {
				sample = knows
			}
		}
		body, err := fs.ReadFile(samples, path.Join(name, "testdata", sample+".reply.xml"))
		if err != nil {
			http.Error(w, "no such sample", http.StatusInternalServerError)
			return
		}
		status := http.StatusOK
		if text, err := fs.ReadFile(samples, path.Join(name, "testdata", sample+".reply.status")); err == nil {
			if status, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				status = http.StatusInternalServerError
			}
		}
		// What is prepared on request is ready some days from now, not from the sample's day.
		body = bytes.ReplaceAll(body, []byte(sampleReady), []byte(time.Now().UTC().AddDate(0, 0, readyDays).Format(time.DateOnly)))
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = w.Write(body) // the caller may be gone
	}
}
