package kafkalog

import (
	"errors"
	"fmt"
	"strings"

	"oncegate/schemas/canon"
)

// A Purpose says what a topic holds of persons, for what, on which provision, and what
// ends it (Reg. 2018/1724 rec. 42; GDPR Art. 5(1)(b) and (e), 6 and 30).
type Purpose struct {
	Holds string // of persons; empty: nothing
	For   string // what the topic is for
	Basis string // Required where it holds something of persons.
	Ends  string // what ends it earlier than the retention of the topic, or where that has no end
}

const (
	exchanging = "Reg. (EU) 2018/1724 Art. 14; GDPR Art. 6(1)(e)"
	deciding   = "Reg. (EU) 2018/1724 Art. 14(3)(f); GDPR Art. 6(1)(e)"
	recording  = "Impl. Reg. (EU) 2022/1463 Art. 17; GDPR Art. 6(1)(c)"
	withKey    = "the key of its exchange is destroyed"
	pseudonyms = "identifiers of exchanges"
)

var purposes = map[string]Purpose{
	TopicOf(canon.KindEvidenceRequest):  {"sealed: whom the request is about, who acts for them, their answers", "ask for evidence and be asked", exchanging, withKey},
	TopicOf(canon.KindPreviewRequired):  {"sealed: the address of a preview", "lead the person to the preview", deciding, withKey},
	TopicOf(canon.KindEvidenceResponse): {"sealed: whom the evidence is about", "answer with evidence", exchanging, withKey},
	TopicOf(canon.KindEvidenceRefusal):  {pseudonyms, "answer without evidence", exchanging, ""},
	TopicOf(canon.KindPreviewOpened):    {"sealed: who came to the preview", "let the right person in", deciding, withKey},
	TopicOf(canon.KindRegisterQuery):    {"sealed: whom the register is asked about", "fetch evidence from a register", exchanging, withKey},
	TopicOf(canon.KindRegisterRecord):   {"digests of documents", "take a register's answer", exchanging, ""},
	TopicOf(canon.KindConsentDecision):  {"what was decided of which document", "release what the person approved, and nothing else", deciding, ""},
	TopicOf(canon.KindDeliveryReceipt):  {pseudonyms, "know what reached the other side", exchanging, ""},
	TopicOf(canon.KindExchangeNotice):   {pseudonyms, "tell the portal how an exchange goes", exchanging, ""},
	TopicOf(canon.KindDeadline):         {pseudonyms, "end what takes too long", exchanging, ""},
	TopicOf(canon.KindWithdrawal):       {pseudonyms, "end what the person takes back", exchanging, ""},
	TopicOf(canon.KindAudit):            {"identifiers of exchanges, digests of documents, names of operators", "show who did what, when and why", recording, ""},
	TopicOf(canon.KindExchangeRecord):   {"sealed to the key of the record: the messages of an exchange without its evidence", "show in a dispute what was exchanged", recording, "the private key of its time is destroyed"},
	TopicOf(canon.KindRoute):            {"", "know which authority gives which evidence", "", ""},
	TopicPayload:                        {"sealed: the evidence", "carry evidence from the register to the portal", exchanging, withKey},
	TopicPayloadKey:                     {"wrapped keys of exchanges", "read what is sealed, and end it for all copies at once", exchanging, withKey + ", and with it this record"},
}

// purposeOf returns what was declared for a topic; dead letters are there for what
// their topic is for.
func purposeOf(topic string) Purpose {
	p, ok := purposes[strings.TrimSuffix(topic, deadSuffix)]
	if ok && strings.HasSuffix(topic, deadSuffix) {
		p.For = "look at what could not be handled: " + p.For
	}
	return p
}

// checkPurposes reports every topic of which nobody has declared what it is for or, where
// it holds something of persons, on which provision and until when.
func checkPurposes(specs ...TopicSpec) error {
	var errs []error
	for _, s := range specs {
		p := s.Purpose
		lack := func(what string) {
			errs = append(errs, fmt.Errorf("topic %s: no %s declared (Reg. 2018/1724 rec. 42)", s.Name, what))
		}
		if p.For == "" {
			lack("purpose")
		}
		if p.Holds == "" {
			continue
		}
		if p.Basis == "" {
			lack("legal basis")
		}
		if p.Ends == "" && s.Settings["retention.ms"] == "-1" && s.Settings["retention.bytes"] == "-1" {
			lack("retention")
		}
	}
	return errors.Join(errs...)
}
