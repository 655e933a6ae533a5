package xmlsec

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"testing"
)

func unhexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 3394 4.1 to 4.6.
func TestKeyWrapVectors(t *testing.T) {
	const kek, key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	for _, tt := range []struct {
		kek, key int // bytes
		want     string
	}{
		{16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		kek, key, want := unhexed(t, kek[:2*tt.kek]), unhexed(t, key[:2*tt.key]), unhexed(t, tt.want)
		got, err := wrapKey(kek, key)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("wrapping %d bytes under %d: %x, %v", tt.key, tt.kek, got, err)
		}
		back, err := unwrapKey(kek, want)
		if err != nil || !bytes.Equal(back, key) {
			t.Errorf("unwrapping %d bytes under %d: %x, %v", tt.key, tt.kek, back, err)
		}
		for i := range want {
			changed := bytes.Clone(want)
			changed[i] ^= 1
			if _, err := unwrapKey(kek, changed); err == nil {
				t.Fatalf("byte %d changed and still unwrapped", i)
			}
		}
		for _, bad := range [][]byte{nil, want[:16], want[:len(want)-1], want[:len(want)-8]} {
			if _, err := unwrapKey(kek, bad); err == nil {
				t.Errorf("unwrapped %d bytes of %d", len(bad), len(want))
			}
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 8), make([]byte, 17)} {
		if _, err := wrapKey(make([]byte, 16), bad); err == nil {
			t.Errorf("wrapped %d bytes", len(bad))
		}
	}
	if _, err := wrapKey(make([]byte, 15), make([]byte, 16)); err == nil {
		t.Error("wrapped under 15 bytes")
	}
}

// The keys of RFC 7748 6.1; derived and wrapped keys are those of OpenSSL 3.0 (kdf
// HKDF, enc -id-aes128-wrap).
func TestAgreementVector(t *testing.T) {
	bob, err := ecdh.X25519().NewPrivateKey(unhexed(t, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
	if err != nil {
		t.Fatal(err)
	}
	alicePublic, err := ecdh.X25519().NewPublicKey(unhexed(t, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, info, wrapped string }{
		{"salt alone", "", "8dbc999a81470cad0555979429ebb9740154a39c1aeb3b5c"},
		{"salt and info", "f0f1f2f3", "66f29f7506e37213f1518b8aceb8ee507cd43b6aabcc7ffa"},
	} {
		a := agreement{algorithm: X25519, salt: unhexed(t, "000102030405060708090a0b0c0d0e0f"), info: unhexed(t, tt.info), originator: alicePublic}
		got, err := a.unwrap(bob, unhexed(t, tt.wrapped))
		if err != nil || !bytes.Equal(got, unhexed(t, "00112233445566778899aabbccddeeff")) {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
}
