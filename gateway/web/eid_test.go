package web

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// eidServer is a small OpenID Connect provider: it logs in whoever claims says.
type eidServer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	now    func() time.Time

	mu       sync.Mutex
	claims   map[string]any // in the ID token
	userinfo map[string]any
	fail     string // error instead of a code
	spoil    func(claims map[string]any)
	codes    map[string]url.Values
}

var eidKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newEIDServer(t *testing.T, now func() time.Time) *eidServer {
	t.Helper()
	e := &eidServer{key: eidKey(), now: now, codes: map[string]url.Values{}}
	e.is("LV/AT/0001", "Fiktiva", "Ilze", "1999-04-01")
	mux := http.NewServeMux()
	e.server = httptest.NewServer(mux)
	t.Cleanup(e.server.Close)
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	u := e.server.URL
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{
			"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token", "jwks_uri": u + "/keys",
			"userinfo_endpoint": u + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: e.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		q := r.URL.Query()
		back := url.Values{"state": {q.Get("state")}}
		if e.fail != "" {
			back.Set("error", e.fail)
		} else {
			code := rand.Text()
			e.codes[code] = q
			back.Set("code", code)
		}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		_ = r.ParseForm()
		q, ok := e.codes[r.PostForm.Get("code")]
		delete(e.codes, r.PostForm.Get("code"))
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		_, secret, _ := r.BasicAuth()
		if secret == "" {
			secret = r.PostForm.Get("client_secret")
		}
		if !ok || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("code_challenge_method") != "S256" || secret != "s3cret" {
			w.WriteHeader(http.StatusBadRequest)
			reply(w, map[string]string{"error": "invalid_grant"})
			return
		}
		claims := map[string]any{
			"iss": u, "sub": "1", "aud": "preview", "nonce": q.Get("nonce"), "iat": e.now().Unix(), "exp": e.now().Add(time.Minute).Unix(),
		}
		for k, v := range e.claims {
			claims[k] = v
		}
		if e.spoil != nil {
			e.spoil(claims)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: e.key, KeyID: "1"}}, nil)
		if err != nil {
			panic(err)
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			panic(err)
		}
		reply(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		reply(w, e.userinfo)
	})
	return e
}

func (e *eidServer) is(identifier, family, given, born string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.claims = map[string]any{"person_identifier": identifier, "family_name": family, "given_name": given, "birthdate": born}
}
