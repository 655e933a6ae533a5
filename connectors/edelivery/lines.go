package edelivery

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"

	"oncegate/connectors/edelivery/pmode"
)

// maxLines is how many different TLS settings have connections of their own at once.
const maxLines = 256

// lines holds one HTTP client for each set of TLS settings: partners with equal
// settings share one, also when they come from another table after a reload. Those
// used longest ago are given up.
type lines struct {
	plain *http.Client // for partners without settings of their own

	mu     sync.Mutex
	recent *list.List // of *line, the last used in front
	byTLS  map[[sha256.Size]byte]*list.Element
}

type line struct {
	key    [sha256.Size]byte
	client *http.Client
}

func newLines(c *http.Client) *lines {
	if c == nil {
		c = Client(nil)
	}
	return &lines{plain: direct(c), recent: list.New(), byTLS: map[[sha256.Size]byte]*list.Element{}}
}

// direct returns the client without redirects: one would carry evidence to an
// address that no agreement names.
func direct(c *http.Client) *http.Client {
	d := *c
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d
}

// to returns the client for a partner.
func (l *lines) to(p *pmode.Partner) *http.Client {
	t := p.TLS
	if len(t.CA) == 0 && t.Own == nil && t.ServerName == "" && t.Min <= tls.VersionTLS12 && t.Control == nil {
		return l.plain
	}
	key := settingsOf(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byTLS[key]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*line).client
	}
	if l.recent.Len() == maxLines {
		old := l.recent.Remove(l.recent.Back()).(*line)
		delete(l.byTLS, old.key)
		old.client.CloseIdleConnections() // those in use end with their message
	}
	c := l.open(t)
	l.byTLS[key] = l.recent.PushFront(&line{key, c})
	return c
}

// open makes a client from that of the access point.
func (l *lines) open(t pmode.TLS) *http.Client {
	base, ok := l.plain.Transport.(*http.Transport)
	if !ok {
		base = Client(nil).Transport.(*http.Transport)
	}
	transport := base.Clone()
	conf := transport.TLSClientConfig
	if conf == nil {
		conf = ClientTLS(nil, nil)
	}
	if len(t.CA) > 0 {
		conf.RootCAs = x509.NewCertPool()
		for _, ca := range t.CA {
			conf.RootCAs.AddCert(ca)
		}
	}
	if t.Own != nil {
		conf.Certificates = []tls.Certificate{*t.Own}
	}
	conf.ServerName = t.ServerName
	conf.MinVersion = max(conf.MinVersion, t.Min)
	transport.TLSClientConfig = conf
	if t.Control != nil {
		dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: t.Control}
		transport.DialContext = dialer.DialContext
	}
	c := *l.plain
	c.Transport = transport
	return &c
}

// settingsOf is what makes two settings the same; a key follows from its certificate.
func settingsOf(t pmode.TLS) [sha256.Size]byte {
	h := sha256.New()
	field := func(b []byte) {
		sum := sha256.Sum256(b)
		h.Write(sum[:])
	}
	for _, ca := range t.CA {
		field(ca.Raw)
	}
	field([]byte("own"))
	if t.Own != nil {
		for _, der := range t.Own.Certificate {
			field(der)
		}
	}
	field([]byte(t.ServerName))
	field([]byte{byte(t.Min >> 8), byte(t.Min)})
	if t.Control != nil {
		field([]byte("control")) // there is one discovery, which has one rule
	}
	return [sha256.Size]byte(h.Sum(nil))
}
