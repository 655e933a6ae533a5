package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"oncegate/gateway/api"
	"oncegate/gateway/redisstore"
	"oncegate/gateway/web"
	"oncegate/schemas/canon"
)

// buildWeb makes the API, the webhooks, the preview space and the operator's pages.
func (n *Node) buildWeb(context.Context) error {
	if !n.cfg.Has(RoleWeb) {
		return nil
	}
	hook, err := n.webhook()
	if err != nil {
		return err
	}
	n.handlers = append(n.handlers, consumer{RoleWeb, []canon.Kind{canon.KindExchangeNotice}, hook.Handle})
	if err := n.buildAPI(); err != nil {
		return err
	}
	return n.buildPreview()
}

func (n *Node) webhook() (*api.Webhook, error) {
	memory, err := redisstore.NewClaims(redisstore.OnceConfig{Client: n.redis, Prefix: n.prefix(), Room: "webhook"})
	if err != nil {
		return nil, err
	}
	conf := api.WebhookConfig{Memory: memory, Log: n.log}
	for _, p := range n.cfg.API.Portals {
		if p.Webhook == "" {
			continue
		}
		secret, err := n.cfg.secretFile(p.WebhookSecret)
		if err != nil {
			return nil, err
		}
		conf.Endpoints = append(conf.Endpoints, api.Endpoint{Portal: p.Name, URL: p.Webhook, Secret: secret})
	}
	if conf.Transport, err = n.transport(n.cfg.API.WebhookCA); err != nil {
		return nil, err
	}
	return api.NewWebhook(conf)
}

func (n *Node) buildAPI() error {
	memory, err := redisstore.NewClaims(redisstore.OnceConfig{Client: n.redis, Prefix: n.prefix(), Room: "idempotency"})
	if err != nil {
		return err
	}
	conf := api.Config{
		Conversations: n.core, Payloads: n.vault, Publish: n.publish(RoleWeb), Memory: memory,
		Timeline: n.Timeline, DeadLetters: n.DeadLetters, Forget: n.vault.Forget, Messages: n.messages, Resend: n.Resend,
		Ready: n.Ready, Metrics: n.metricsHandler(), BaseURL: n.cfg.API.BaseURL, Log: n.log,
	}
	if conf.Guide, err = n.guide(); err != nil {
		return err
	}
	if n.services != nil {
		conf.Health = n.services.health
	}
	conf.Routes = n.routes.Learned
	for _, p := range n.cfg.API.Portals {
		conf.Portals = append(conf.Portals, api.Portal{Name: p.Name, TokenHashes: p.Tokens, Authority: p.Authority.agent(), ReturnOrigins: p.Origins})
	}
	for _, o := range n.cfg.API.Operators {
		conf.Operators = append(conf.Operators, api.Operator{Name: o.Name, TokenHashes: o.Tokens})
	}
	a, err := api.New(conf)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", a)
	if len(conf.Operators) > 0 {
		pages, err := web.NewOperator(web.OperatorConfig{
			Site: n.cfg.Web.Site, Logins: conf.Operators, Conversations: n.core, Timeline: n.Timeline, DeadLetters: n.DeadLetters,
			Messages: n.messages, Log: n.log,
		})
		if err != nil {
			return err
		}
		mux.Handle("/operator/", pages)
		mux.Handle("/operator", http.RedirectHandler("/operator/", http.StatusSeeOther))
	}
	return n.serve("api", n.cfg.API.ServerConfig, mux)
}

func (n *Node) buildPreview() error {
	tickets, err := n.tickets()
	if err != nil {
		return err
	}
	key, err := n.cfg.keyFile(n.cfg.Keys.Session)
	if err != nil {
		return err
	}
	sessions, err := redisstore.NewSessions(redisstore.SessionsConfig{Client: n.redis, Prefix: n.prefix(), Key: key})
	if err != nil {
		return err
	}
	w := n.cfg.Web
	secret, err := n.cfg.secretFile(w.EID.ClientSecret)
	if err != nil {
		return err
	}
	transport, err := n.transport(w.EID.CA)
	if err != nil {
		return err
	}
	pages, err := web.NewPreview(web.PreviewConfig{
		Site: w.Site, BaseURL: w.BaseURL, Tickets: tickets, Sessions: sessions, Conversations: n.core,
		Payloads: n.vault, Publish: n.publish(RoleWeb), PrivacyURL: w.Privacy, SupportURL: w.Support, Log: n.log,
		EID: web.EID{
			Name: w.EID.Name, Issuer: w.EID.Issuer, ClientID: w.EID.ClientID, ClientSecret: secret,
			Scopes: w.EID.Scopes, ACRValues: w.EID.ACRValues, FormOrigins: w.EID.FormOrigins, Claims: web.Claims(w.EID.Claims),
			HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		},
	})
	if err != nil {
		return err
	}
	h, err := mount(w.BaseURL, pages)
	if err != nil {
		return err
	}
	return n.serve(RoleWeb, w.ServerConfig, h)
}

// transport calls servers that the given anchors vouch for.
func (n *Node) transport(ca string) (http.RoundTripper, error) {
	conf, err := n.cfg.clientTLS(ca, "", "")
	if err != nil {
		return nil, err
	}
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default transport was replaced")
	}
	t = t.Clone()
	t.Proxy, t.TLSClientConfig = nil, conf
	return t, nil
}
