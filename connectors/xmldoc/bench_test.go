package xmldoc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"oncegate/connectors/xmldoc"
)

// record makes a document of the shape of an evidence record, of about size bytes.
func record(size int) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ev:Evidence xmlns:ev="urn:test:evidence" xmlns:cv="http://www.w3.org/ns/corevocabulary/BasicComponents" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:test:evidence evidence.xsd">` + "\n")
	for i := 0; b.Len() < size; i++ {
		n := strconv.Itoa(i)
		b.WriteString(`  <ev:Entry id="entry-` + n + `" status="valid" xsi:type="ev:BirthEntry">
    <cv:Identifier schemeID="urn:test:register">REG-2031-` + n + `</cv:Identifier>
    <ev:Place><cv:Name xml:lang="lv">Ezermala pie Liepu tilta</cv:Name><cv:Code listID="NUTS">LV00` + n + `</cv:Code></ev:Place>
    <ev:Remark>Entered by the clerk on duty &amp; countersigned; see volume ` + n + `, page 12, for the corrections made later.</ev:Remark>
  </ev:Entry>
`)
	}
	b.WriteString("</ev:Evidence>\n")
	return []byte(b.String())
}

// envelope is a SOAP envelope of the size an AS4 message has before its security header.
var envelope = []byte(`<S12:Envelope xmlns:S12="http://www.w3.org/2003/05/soap-envelope"><S12:Header><eb:Messaging xmlns:eb="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/" ` +
	`xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" S12:mustUnderstand="true" wsu:Id="msg"><eb:UserMessage>` +
	`<eb:MessageInfo><eb:Timestamp>2031-01-29T15:39:03.805Z</eb:Timestamp><eb:MessageId>6f1c@gw.example</eb:MessageId></eb:MessageInfo>` +
	`<eb:PartyInfo><eb:From><eb:PartyId type="urn:oasis:names:tc:ebcore:partyid-type:unregistered">gw-xx</eb:PartyId><eb:Role>http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator</eb:Role></eb:From>` +
	`<eb:To><eb:PartyId type="urn:oasis:names:tc:ebcore:partyid-type:unregistered">gw-yy</eb:PartyId><eb:Role>http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder</eb:Role></eb:To></eb:PartyInfo>` +
	`<eb:CollaborationInfo><eb:AgreementRef>urn:test:agreement</eb:AgreementRef><eb:Service type="urn:test">urn:test:service</eb:Service><eb:Action>ExecuteQueryRequest</eb:Action><eb:ConversationId>c-1</eb:ConversationId></eb:CollaborationInfo>` +
	`<eb:MessageProperties><eb:Property name="originalSender" type="urn:test">xx</eb:Property><eb:Property name="finalRecipient" type="urn:test">yy</eb:Property></eb:MessageProperties>` +
	`<eb:PayloadInfo><eb:PartInfo href="cid:payload@gw.example"><eb:PartProperties><eb:Property name="MimeType">application/x-ebrs+xml</eb:Property><eb:Property name="CompressionType">application/gzip</eb:Property></eb:PartProperties></eb:PartInfo></eb:PayloadInfo>` +
	`</eb:UserMessage></eb:Messaging></S12:Header><S12:Body/></S12:Envelope>`)

func inputs() []struct {
	name string
	doc  []byte
} {
	return []struct {
		name string
		doc  []byte
	}{{"envelope", envelope}, {"50KB", record(50 << 10)}, {"1MB", record(1 << 20)}}
}

func BenchmarkParse(b *testing.B) {
	for _, in := range inputs() {
		run := func(name string, f func() error) {
			b.Run(in.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(in.doc)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("xmldoc", func() error { _, err := xmldoc.ParseBytes(in.doc, xmldoc.Limits{}); return err })
		run("encoding-xml", func() error {
			for d := xml.NewDecoder(bytes.NewReader(in.doc)); ; {
				if _, err := d.Token(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
		run("etree", func() error { return etree.NewDocument().ReadFromBytes(in.doc) })
	}
}

// BenchmarkCanonical writes exclusive C14N of the root into a SHA-256 from a parsed
// tree; goxmldsig changes the tree it is given, so its copy counts.
func BenchmarkCanonical(b *testing.B) {
	for _, in := range inputs() {
		doc, err := xmldoc.ParseBytes(in.doc, xmldoc.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(in.name+"/xmldoc", func(b *testing.B) {
			b.SetBytes(int64(len(in.doc)))
			b.ReportAllocs()
			for b.Loop() {
				if err := doc.Root().Canonical(io.Discard, xmldoc.C14N{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		tree := etree.NewDocument()
		if err := tree.ReadFromBytes(in.doc); err != nil {
			b.Fatal(err)
		}
		b.Run(in.name+"/goxmldsig", func(b *testing.B) {
			b.SetBytes(int64(len(in.doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(tree.Root().Copy()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseAndDigest is the whole way from bytes to the digest of a reference.
func BenchmarkParseAndDigest(b *testing.B) {
	for _, in := range inputs() {
		b.Run(in.name+"/xmldoc", func(b *testing.B) {
			b.SetBytes(int64(len(in.doc)))
			b.ReportAllocs()
			for b.Loop() {
				doc, err := xmldoc.ParseBytes(in.doc, xmldoc.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				h := sha256.New()
				if err := doc.Root().Canonical(h, xmldoc.C14N{}); err != nil {
					b.Fatal(err)
				}
				h.Sum(nil)
			}
		})
		b.Run(in.name+"/etree-goxmldsig", func(b *testing.B) {
			b.SetBytes(int64(len(in.doc)))
			b.ReportAllocs()
			for b.Loop() {
				doc := etree.NewDocument()
				if err := doc.ReadFromBytes(in.doc); err != nil {
					b.Fatal(err)
				}
				out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(doc.Root())
				if err != nil {
					b.Fatal(err)
				}
				sha256.Sum256(out)
			}
		})
	}
}
