package xmlsec

import "fmt"

// A Reason says why something was refused. Edges turn it into their own words in one
// table; the zero value is not a reason.
type Reason uint8

// The reasons.
const (
	ReasonUnset             Reason = iota
	ReasonNoSignature              // there is no ds:Signature
	ReasonManySignatures           // there is more than one
	ReasonStructure                // not the shape of a signature or of encrypted data
	ReasonUnknownAlgorithm         // an algorithm outside the closed list
	ReasonAlgorithmDenied          // a known algorithm that the policy does not allow
	ReasonTransform                // a transform that may not stand there
	ReasonURI                      // a reference that is neither #ncname nor cid:
	ReasonTooManyReferences        // more references than the policy allows
	ReasonDuplicateTarget          // two references to one element or attachment
	ReasonIDCollision              // one id on two elements
	ReasonMissingTarget            // a reference to nothing
	ReasonKeyUnresolved            // no key could be found
	ReasonKeyUnfit                 // a key too weak or not of the algorithm's kind
	ReasonSignatureInvalid         // the signature value does not verify
	ReasonDigestMismatch           // a referenced element or attachment was changed
	ReasonAttachmentUnknown        // the digest of an attachment cannot be computed
	ReasonDecryption               // decryption failed; deliberately not told apart further

	reasonEnd
)

var reasonNames = [...]string{
	ReasonUnset: "unset", ReasonNoSignature: "no-signature", ReasonManySignatures: "many-signatures",
	ReasonStructure: "structure", ReasonUnknownAlgorithm: "unknown-algorithm",
	ReasonAlgorithmDenied: "algorithm-denied", ReasonTransform: "transform", ReasonURI: "uri",
	ReasonTooManyReferences: "too-many-references", ReasonDuplicateTarget: "duplicate-target",
	ReasonIDCollision: "id-collision", ReasonMissingTarget: "missing-target",
	ReasonKeyUnresolved: "key-unresolved", ReasonKeyUnfit: "key-unfit",
	ReasonSignatureInvalid: "signature-invalid", ReasonDigestMismatch: "digest-mismatch",
	ReasonAttachmentUnknown: "attachment-unknown", ReasonDecryption: "decryption",
}

// Reasons returns every reason, for tests that a table is complete.
func Reasons() []Reason {
	var all []Reason
	for r := ReasonUnset + 1; r < reasonEnd; r++ {
		all = append(all, r)
	}
	return all
}

func (r Reason) String() string {
	if r < reasonEnd {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// A Refusal says why a signature or encrypted data was not accepted. Its text is for
// the operator's log; a peer gets one opaque sentence.
type Refusal struct {
	Reason Reason
	What   string
	Err    error
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("xmlsec: %s: %s: %v", r.Reason, r.What, r.Err)
	}
	return fmt.Sprintf("xmlsec: %s: %s", r.Reason, r.What)
}

func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, what string, err error) error {
	return &Refusal{Reason: reason, What: what, Err: err}
}
