package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oncegate/cmd/node"
	"oncegate/connectors/register"
	"oncegate/connectors/registers"
)

// Config says how the landscape is built.
type Config struct {
	Dir     string   // where configuration and keys are written; Default: a temporary directory, removed on Close
	Brokers []string // Default: the embedded broker, one per Member State
	Redis   string   // with Brokers: host:port
	Prefix  string   // with Brokers: before topics and keys
	Portal  string   // host:port of the portal; Default: a free port
	Logger  *slog.Logger

	// Everywhere adds the Member States of the other built-in registers. Default: the
	// three alone, which is quicker.
	Everywhere bool

	// Remote leaves the nodes to the caller, who starts them from Members.
	Remote bool
	// Options are given to the nodes in this process.
	Options func(member string) node.Options
	// Edit changes a member's configuration before it is written. Default: nothing.
	Edit func(member string) map[string]any
	// Outside wraps the servers of the outside world: eid, registers, portal. Tests
	// see with it what the nodes ask for. Default: nothing.
	Outside func(name string, next http.Handler) http.Handler
}

// The names of the Member States.
const (
	Slovenia = "slovenia" // asks
	Spain    = "spain"    // provides
	Finland  = "finland"  // provides, too
)

// A Landscape is three Member States and the world around them.
type Landscape struct {
	cfg      Config
	dir      string
	pki      *pki
	si, es   *member
	fi       *member
	more     []*member // with Everywhere: by country
	services *commonServices
	eid      *eID
	eidURL   string
	regs     *registersPlayed
	portal   *portal
	tryURL   string // of the page on which mappings are tried
	nodes    map[string]*running
	servers  []*http.Server
	client   *http.Client
	ownsDir  bool
	ports    ports
	notices  chan webhookEvent
	ends     []func()                        // of what runs beside the servers
	registry map[string]*register.Definition // those of Spain, built in
	finnish  map[string]*register.Definition // those of Finland, its own
}

// running is one node in this process.
type running struct {
	node   *node.Node
	cancel context.CancelFunc
	done   chan error
}

// maxNotices bounds what a slow listener of Notices may miss.
const maxNotices = 1024

// Start builds the landscape and, unless Remote, runs its nodes.
func Start(ctx context.Context, cfg Config) (_ *Landscape, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Landscape{cfg: cfg, dir: cfg.Dir, nodes: map[string]*running{}, notices: make(chan webhookEvent, maxNotices)}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if l.dir == "" {
		if l.dir, err = os.MkdirTemp("", "oncegate-sandbox-"); err != nil {
			return nil, fmt.Errorf("making a directory for the landscape: %w", err)
		}
		l.ownsDir = true
	}
	if l.pki, err = newPKI(time.Now); err != nil {
		return nil, err
	}
	l.client = &http.Client{Timeout: 30 * time.Second, Transport: l.transport()}
	if l.registry, err = register.Load(registers.FS); err != nil {
		return nil, fmt.Errorf("reading the registers: %w", err)
	}
	if l.finnish, err = register.Load(finnishRegisters()); err != nil {
		return nil, fmt.Errorf("reading the registers of Finland: %w", err)
	}
	if err := l.outside(); err != nil {
		return nil, err
	}
	if err := l.configure(); err != nil {
		return nil, err
	}
	if !cfg.Remote {
		for _, m := range append([]*member{l.es, l.fi, l.si}, l.more...) {
			if err := l.StartNode(ctx, m.Name); err != nil {
				return nil, err
			}
		}
	}
	if err := l.startPortal(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Landscape) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: l.pki.pool(), MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
}

// outside starts what is not the gateway's: the eID, the registers and the common
// services.
func (l *Landscape) outside() error {
	var err error
	for _, m := range []struct {
		to            **member
		country, name string
	}{{&l.si, "SI", Slovenia}, {&l.es, "ES", Spain}, {&l.fi, "FI", Finland}} {
		if *m.to, err = newMember(&l.ports, l.dir, m.country, m.name); err != nil {
			return err
		}
	}
	if l.cfg.Everywhere {
		for _, country := range slices.Sorted(maps.Keys(neighbours())) {
			m, err := newMember(&l.ports, l.dir, country, neighbours()[country])
			if err != nil {
				return err
			}
			l.more = append(l.more, m)
		}
	}
	addr := l.cfg.Portal
	if addr == "" {
		if addr, err = l.ports.free(); err != nil {
			return err
		}
	}
	l.portal = &portal{
		base: "https://" + addr, api: l.si.API, token: l.si.Token, secret: l.si.Hook, now: time.Now,
		onEvent: func(e webhookEvent) {
			select {
			case l.notices <- e:
			default: // nobody listens
			}
		},
	}
	ln, err := l.listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	l.eidURL = "https://" + ln.Addr().String()
	clients := []eIDClient{{"portal", l.si.EIDSecret, l.portal.base + "/callback"}}
	// Every Member State may show previews; only Slovenia's is not used here.
	for _, m := range append([]*member{l.si, l.es, l.fi}, l.more...) {
		clients = append(clients, eIDClient{m.Name, m.EIDSecret, m.Web + "/preview/callback"})
	}
	l.eid, err = newEID(l.eidURL, time.Now, clients...)
	if err != nil {
		return err
	}
	l.eid.everywhere = l.cfg.Everywhere
	l.serve("eid", ln, withCSS(l.eid.handler()))

	if l.regs, err = playRegisters(l.registry, l.finnish); err != nil {
		return err
	}
	if ln, err = l.listen("127.0.0.1:0"); err != nil {
		return err
	}
	l.regs.base = "https://" + ln.Addr().String()
	l.serve("registers", ln, l.regs.handler())
	if ln, err = l.listen("127.0.0.1:0"); err != nil {
		return err
	}
	l.regs.database = "postgres://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func(ln net.Listener) { defer close(done); l.regs.serveDatabase(ctx, ln, l.cfg.Logger) }(ln)
	l.ends = append(l.ends, func() { cancel(); <-done })
	l.portal.offers = offers(l.registry, l.cfg.Everywhere)
	page, err := newTryit(time.Now, l.registry, l.finnish)
	if err != nil {
		return err
	}
	tryLn, err := l.listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	l.tryURL = "https://" + tryLn.Addr().String() + "/"
	l.serve("try-it page", tryLn, withCSS(page.handler()))
	return l.startServices()
}

// configure writes the files of both Member States.
func (l *Landscape) configure() error {
	on := engine{Brokers: l.cfg.Brokers, Redis: l.cfg.Redis, Prefix: l.cfg.Prefix}
	var ask []obj
	provide, endpoints := map[string][]obj{}, map[string]obj{} // by country
	for _, o := range l.portal.offers {
		country := o.Provider.Country
		if endpoints[country] == nil {
			endpoints[country] = obj{}
		}
		provide[country] = append(provide[country], obj{
			"name": o.Register, "procedures": []string{o.Procedure}, "evidence_type": o.Type.Classification,
			"provider": o.Provider.ID.String(), "register": o.Register,
		})
		ask = append(ask, obj{
			"name": o.Register, "procedures": []string{o.Procedure}, "evidence_type": o.Type.Classification,
			"provider": o.Provider.ID.String(), "country": country,
		})
		endpoints[country][o.Register] = l.regs.settings(o.Register)
	}
	authority := asking()
	names := obj{}
	for _, t := range authority.Names {
		names[t.Lang] = t.Text
	}
	edit := func(m *member, more obj) obj {
		if l.cfg.Edit == nil {
			return more
		}
		for k, v := range l.cfg.Edit(m.Name) {
			more[k] = v
		}
		return more
	}
	if err := l.si.configure(l.pki, on, l.eidURL, edit(l.si, obj{
		"api": obj{"portals": []obj{{
			"name": "one-stop-portal", "token_hashes": []string{hash(l.si.Token)},
			"authority":      obj{"scheme": authority.ID.Scheme, "id": authority.ID.ID, "names": names, "country": authority.Country},
			"return_origins": []string{l.portal.base},
			"webhook":        l.portal.base + "/webhook", "webhook_secret_file": "webhook.secret",
		}}, "webhook_ca": "ca.pem"},
		"authority": obj{"scheme": authority.ID.Scheme, "id": "SI-AP-TEST", "names": obj{"EN": "Access point of Slovenia (sandbox)"}, "country": "SI"},
		"directory": l.services.settings(),
	})); err != nil {
		return err
	}
	if err := l.es.configure(l.pki, on, l.eidURL, edit(l.es, obj{
		"registers": endpoints["ES"],
		"authority": obj{"scheme": schemeES, "id": "ES-AP-TEST", "names": obj{"EN": "Access point of Spain (sandbox)"}, "country": "ES"},
	})); err != nil {
		return err
	}
	if err := l.finland(on, endpoints["FI"], edit); err != nil {
		return err
	}
	for _, m := range l.more {
		if err := l.neighbour(m, on, endpoints[m.Country]); err != nil {
			return err
		}
	}
	route := func(m *member, more obj, others ...*member) error {
		var partners []obj
		for _, other := range others {
			partners = append(partners, obj{"country": other.Country, "access_point": other.AccessPoint})
		}
		o := obj{"country": m.Country, "access_point": m.AccessPoint, "partners": partners}
		for k, v := range more {
			o[k] = v
		}
		return m.writeYAML("routes.yaml", o)
	}
	others := append([]*member{l.es, l.fi}, l.more...)
	provide["FI"] = append(provide["FI"], l.finnishRoutes()...) // how to reach these, the directory tells
	err := errors.Join(route(l.si, obj{"ask": ask}, others...), l.si.agree(others...), l.services.write(l))
	for _, m := range others {
		err = errors.Join(err, route(m, obj{"provide": provide[m.Country]}, l.si), m.agree(l.si))
	}
	return err
}

// finland writes the configuration of the third Member State. Its registers are its
// own: it has a directory of them.
func (l *Landscape) finland(on engine, builtIn obj, edit func(*member, obj) obj) error {
	endpoints := maps.Clone(builtIn)
	if endpoints == nil {
		endpoints = obj{}
	}
	for name := range l.finnish {
		endpoints[name] = l.regs.settings(name)
	}
	if err := l.fi.configure(l.pki, on, l.eidURL, edit(l.fi, obj{
		"registers": endpoints, "registers_dir": "registers",
		"authority": obj{"scheme": schemeFI, "id": "FI-AP-TEST", "names": obj{"EN": "Access point of Finland (sandbox)"}, "country": "FI"},
	})); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(l.fi.Dir, "registers"), finnishRegisters()); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing the registers of Finland: %w", err)
	}
	return nil
}

// neighbours are the Member States of the other built-in registers.
func neighbours() map[string]string {
	return map[string]string{
		"AT": "austria", "EE": "estonia", "IT": "italy", "LT": "lithuania", "NL": "netherlands", "PT": "portugal", "SE": "sweden",
	}
}

// neighbour writes the configuration of one of them.
func (l *Landscape) neighbour(m *member, on engine, endpoints obj) error {
	if err := m.write("database.password", []byte(databasePassword+"\n")); err != nil {
		return err
	}
	return m.configure(l.pki, on, l.eidURL, obj{
		"registers": endpoints,
		"authority": obj{
			"scheme": "urn:oasis:names:tc:ebcore:partyid-type:unregistered:" + m.Country, "id": m.Country + "-AP-TEST",
			"names": obj{"EN": "Access point of " + strings.ToUpper(m.Name[:1]) + m.Name[1:] + " (sandbox)"}, "country": m.Country,
		},
	})
}

func (l *Landscape) finnishRoutes() []obj {
	var out []obj
	for _, name := range slices.Sorted(maps.Keys(l.finnish)) {
		d := l.finnish[name]
		out = append(out, obj{
			"name": name, "procedures": []string{"T2"}, "evidence_type": d.EvidenceType.Classification,
			"provider": d.Issuer.ID.String(), "register": name,
		})
	}
	return out
}

func (l *Landscape) listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return ln, nil
}

func (l *Landscape) serve(name string, ln net.Listener, h http.Handler) {
	if l.cfg.Outside != nil {
		h = l.cfg.Outside(name, h)
	}
	cert, err := l.pki.tlsServer()
	if err != nil {
		panic(err) // the CA signed a moment ago
	}
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 32 << 10,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ErrorLog:  slog.NewLogLogger(l.cfg.Logger.Handler(), slog.LevelDebug),
	}
	l.servers = append(l.servers, s)
	go func() { _ = s.ServeTLS(ln, "", "") }() // ends with Close
}

// startPortal serves the portal once the eID answers.
func (l *Landscape) startPortal(ctx context.Context) error {
	if err := l.portal.connect(ctx, l.client, l.eidURL, eIDClient{"portal", l.si.EIDSecret, l.portal.base + "/callback"}); err != nil {
		return err
	}
	ln, err := l.listen(hostOf(l.portal.base))
	if err != nil {
		return err
	}
	l.serve("portal", ln, withCSS(l.portal.handler()))
	return nil
}

// StartNode runs one Member State's node in this process.
func (l *Landscape) StartNode(ctx context.Context, name string) error {
	m := l.member(name)
	cfg, err := node.Load(m.Config())
	if err != nil {
		return err
	}
	var opt node.Options
	if l.cfg.Options != nil {
		opt = l.cfg.Options(name)
	}
	if opt.Logger == nil {
		opt.Logger = l.cfg.Logger
	}
	n, err := node.New(ctx, cfg, opt)
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	// The node outlives the call that started it; StopNode ends it.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{node: n, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- n.Run(run) }()
	l.nodes[name] = r
	return nil
}

// StopNode ends one Member State's node and returns how it ended.
func (l *Landscape) StopNode(name string) error {
	r := l.nodes[name]
	if r == nil {
		return nil
	}
	delete(l.nodes, name)
	r.cancel()
	err := <-r.done
	r.node.Close()
	return err
}

// Node returns a running node of this process, nil where there is none.
func (l *Landscape) Node(name string) *node.Node {
	if r := l.nodes[name]; r != nil {
		return r.node
	}
	return nil
}

// ConfigFile returns the name of a Member State's configuration file.
func (l *Landscape) ConfigFile(name string) string { return l.member(name).Config() }

func (l *Landscape) member(name string) *member {
	switch name {
	case Slovenia:
		return l.si
	case Finland:
		return l.fi
	}
	for _, m := range l.more {
		if m.Name == name {
			return m
		}
	}
	return l.es
}

// Close ends everything that Start began.
func (l *Landscape) Close() error {
	var errs []error
	for name := range l.nodes {
		errs = append(errs, l.StopNode(name))
	}
	for _, s := range l.servers {
		errs = append(errs, s.Close())
	}
	for _, end := range l.ends {
		end()
	}
	if l.client != nil {
		l.client.CloseIdleConnections()
	}
	errs = append(errs, l.ports.close())
	if l.ownsDir {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// An Address is something a visitor of the sandbox can open.
type Address struct{ What, URL, Note string }

// Addresses lists them, with the logins of the operators.
func (l *Landscape) Addresses() []Address {
	out := []Address{
		{"portal", l.portal.base + "/", "begin here: choose a procedure"},
		{"eID", l.eidURL, "asks you who you want to be"},
		{"preview space of Spain", l.es.Web + "/preview/", "where the portal sends you"},
		{"preview space of Finland", l.fi.Web + "/preview/", "where the portal sends you, too"},
		{"operator of Slovenia", l.si.API + "/operator/", "operator / " + l.si.Operator},
		{"operator of Spain", l.es.API + "/operator/", "operator / " + l.es.Operator},
		{"operator of Finland", l.fi.API + "/operator/", "operator / " + l.fi.Operator},
		{"try-it page", l.tryURL, "rules tried on replies, for those who write registers"},
		{"common services", l.services.base, "evidence broker and directory of data services"},
		{"API of Slovenia", l.si.API + "/openapi.json", "what portals use"},
	}
	for _, m := range l.more {
		name := strings.ToUpper(m.Name[:1]) + m.Name[1:]
		out = append(out, Address{"operator of " + name, m.API + "/operator/", "operator / " + m.Operator})
	}
	return out
}
