package api

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
)

type traceKey struct{}

func withTrace(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// traceparent returns the W3C traceparent of the request being served.
func traceparent(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}

func traceID(ctx context.Context) string {
	if p := strings.Split(traceparent(ctx), "-"); len(p) == 4 {
		return p[1]
	}
	return strings.Repeat("0", 32)
}

// traceOf continues the caller's trace with a span of our own, or begins one
// (W3C Trace Context 3.2, 3.3).
func (a *API) traceOf(r *http.Request) string {
	var b [24]byte
	if _, err := io.ReadFull(a.cfg.Rand, b[:]); err != nil {
		a.cfg.Log.Error("reading randomness for a trace", "error", err)
	}
	trace, span, flags := hex.EncodeToString(b[:16]), hex.EncodeToString(b[16:]), "01"
	if v := r.Header.Values("Traceparent"); len(v) == 1 {
		if p := strings.Split(v[0], "-"); len(p) == 4 && p[0] == "00" && isHex(p[1], 32) && isHex(p[2], 16) && isHex(p[3], 2) {
			trace, flags = p[1], p[3]
		}
	}
	return "00-" + trace + "-" + span + "-" + flags
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" && (n == 2 || strings.Trim(s, "0") != "")
}
