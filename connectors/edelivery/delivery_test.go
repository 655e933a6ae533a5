package edelivery

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

func TestDeliveryIsEncodedAsJSON(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	for name, d := range map[string]delivery{
		"zero":           {},
		"failed":         {At: at, Outcome: canon.DeliveryFailed, Attempts: 3, Error: "EBMS:0202", Reason: `no "receipt" <in time>`},
		"acknowledged":   {At: at, Outcome: canon.DeliveryAcknowledged, Receipt: "sha256:00", Attempts: 1, Proof: []byte("<S12:Envelope>\xfb\xff\n</S12:Envelope>")},
		"one byte":       {Proof: []byte{0}},
		"with a warning": {At: at, Outcome: canon.DeliveryAcknowledged, Warning: true, Proof: bytes.Repeat([]byte{0xff, 0xfe, 0xfd}, 1<<10)},
	} {
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: encode = %q, %v; want %q", name, got, err, want)
		}
	}
}
