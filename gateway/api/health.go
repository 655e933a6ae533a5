package api

import (
	"net/http"

	"oncegate/schemas/canon"
)

type health struct {
	Status string `json:"status"`
}

func (a *API) getLive(w http.ResponseWriter, _ *http.Request, _ credential) error {
	return a.reply(w, http.StatusOK, health{Status: "ok"})
}

func (a *API) getReady(w http.ResponseWriter, r *http.Request, _ credential) error {
	if err := a.cfg.Ready(r.Context()); err != nil {
		f := canon.AsFault(err)
		return &refusal{Fault: &canon.Fault{Kind: canon.Unavailable, Code: f.Code, Detail: f.Detail, Err: err}}
	}
	return a.reply(w, http.StatusOK, health{Status: "ok"})
}

func (a *API) getMetrics(w http.ResponseWriter, r *http.Request, _ credential) error {
	a.cfg.Metrics.ServeHTTP(w, r)
	return nil
}
