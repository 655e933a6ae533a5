//go:build pkcs11

package keystore

import (
	"crypto"
	"crypto/subtle"
)

// unpadOAEP reads the padding of a decrypted block (RFC 8017 7.1.2, step 3). Neither
// its time nor its error tells what was wrong: that would be Manger's oracle (i.12).
func unpadOAEP(hash, mgf crypto.Hash, label, em []byte) ([]byte, error) {
	h := hash.New()
	h.Write(label)
	want := h.Sum(nil)
	n := len(want)
	if len(em) < 2*n+2 {
		return nil, errDecryption
	}
	seed, db := em[1:1+n], em[1+n:]
	mask(seed, db, mgf)
	mask(db, seed, mgf)
	good := subtle.ConstantTimeByteEq(em[0], 0) & subtle.ConstantTimeCompare(db[:n], want)
	// After zeros comes a one, then the message.
	looking, start := 1, 0
	rest := db[n:]
	for i, b := range rest {
		zero, one := subtle.ConstantTimeByteEq(b, 0), subtle.ConstantTimeByteEq(b, 1)
		start = subtle.ConstantTimeSelect(looking&one, i+1, start)
		good &= subtle.ConstantTimeSelect(looking, zero|one, 1)
		looking &= 1 - one
	}
	if good&(1-looking) != 1 {
		return nil, errDecryption
	}
	return rest[start:], nil
}

// mask applies MGF1 of the seed to the data.
func mask(data, seed []byte, mgf crypto.Hash) {
	h := mgf.New()
	var counter [4]byte
	for done := 0; done < len(data); counter[3]++ {
		h.Reset()
		h.Write(seed)
		h.Write(counter[:])
		sum := h.Sum(nil)
		done += subtle.XORBytes(data[done:], data[done:], sum)
	}
}
