package sandbox

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/register/pgfake"
)

// registersPlayed are the national registers of the landscape. Each is played by
// its own samples over its own wire: the person of a sample is known, nobody else.
type registersPlayed struct {
	base     string // https URL of those over HTTP
	database string // postgres URL of those that are databases, without the name
	fakes    map[string]*register.Fake
	defs     map[string]*register.Definition
}

const (
	sampleReady = "2026-09-15" // in the sample of the archive
	readyDays   = 10

	databaseUser     = "oncegate"
	databasePassword = "sandbox" // of a database that holds no data, on loopback
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

func playRegisters(defs ...map[string]*register.Definition) (*registersPlayed, error) {
	r := &registersPlayed{fakes: map[string]*register.Fake{}, defs: map[string]*register.Definition{}}
	for _, some := range defs {
		for name, d := range some {
			f, err := register.NewFake(d)
			if err != nil {
				return nil, fmt.Errorf("playing a register: %w", err)
			}
			r.fakes[name], r.defs[name] = f, d
		}
	}
	if archive, ok := r.fakes["archive"]; ok {
		archive.Prefer("deferred") // it has to look for the paper first
	}
	return r, nil
}

// fail makes the next n calls of every register fail as its sample of a fault does.
func (r *registersPlayed) fail(n int) {
	for _, f := range r.fakes {
		f.Fail(n)
	}
}

// count returns how often a register was asked.
func (r *registersPlayed) count(name string) int { return r.fakes[name].Calls() }

func (r *registersPlayed) handler() http.Handler {
	mux := http.NewServeMux()
	for name, f := range r.fakes {
		var h http.Handler = f
		if name == "archive" {
			h = soon(f)
		}
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, h))
		mux.Handle("/"+name, http.StripPrefix("/"+name, h))
	}
	return mux
}

// soon moves what is prepared on request some days from now, away from the sample's day.
func soon(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		day := time.Now().UTC().AddDate(0, 0, readyDays).Format(time.DateOnly)
		_, _ = w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte(sampleReady), []byte(day))) // the caller may be gone
	})
}

// settings say how the gateway reaches one of the registers.
func (r *registersPlayed) settings(name string) obj {
	if r.defs[name].Transport == "sql" {
		return obj{"url": r.database + "/" + name, "user": databaseUser, "password_file": "database.password", "timeout": "5s"}
	}
	out := obj{"url": r.base + "/" + name, "ca": "ca.pem", "timeout": "5s"}
	if r.defs[name].OfXRoad() {
		out["xroad"] = obj{"client": "EE/GOV/10000000/sandbox"}
	}
	return out
}

// serveDatabase plays the one register that is a database, until ctx ends.
func (r *registersPlayed) serveDatabase(ctx context.Context, ln net.Listener, log *slog.Logger) {
	name := ""
	for _, n := range slices.Sorted(maps.Keys(r.defs)) {
		if r.defs[n].Transport == "sql" {
			name = n
		}
	}
	conf, err := r.fakes[name].Database(databaseUser, databasePassword)
	if err == nil {
		err = pgfake.Serve(ctx, ln, conf)
	}
	if err != nil && ctx.Err() == nil {
		log.ErrorContext(ctx, "the fake database ended", "error", err)
	}
}
