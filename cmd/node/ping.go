package node

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/regrep"
	"oncegate/schemas/canon"
)

// Ping sends a test message to a partner and explains the round trip. It uses the
// P-Modes, keys and authorities of the configuration, and neither log nor memory.
func (c *Config) Ping(ctx context.Context, log *slog.Logger, partner string, parts ...edelivery.Part) (edelivery.PingReport, error) {
	var report edelivery.PingReport
	table, err := c.loadPModes()
	if err != nil {
		return report, err
	}
	if _, ok := table.Named(partner); !ok {
		return report, canon.NewFault(canon.CodeNoAgreement, nil, "there is no partner %q in %s; there are %v", partner, c.path(c.EDelivery.PModes), partnerNames(table))
	}
	codec, err := regrep.New(regrep.Config{Reporter: c.Authority.agent(), ContentDomain: table.Own().Domain})
	if err != nil {
		return report, err
	}
	anchors, err := c.pool(c.EDelivery.CA)
	if err != nil {
		return report, err
	}
	sender, err := edelivery.NewSender(edelivery.Config{
		PModes: table, Codec: codec, Remembered: edelivery.NewMemory(time.Now), Logger: log,
		HTTP: edelivery.Client(edelivery.ClientTLS(anchors, nil)),
	})
	if err != nil {
		return report, err
	}
	return sender.Ping(ctx, partner, parts...)
}

// partnerNames lists those that a ping reaches; an operator reads no more than a few.
func partnerNames(t *pmode.Table) []string {
	var out []string
	for _, p := range t.Partners() {
		if p.URL != "" {
			out = append(out, p.Name)
		}
	}
	if most := 20; len(out) > most {
		out = append(slices.Clone(out[:most]), "…")
	}
	return out
}
