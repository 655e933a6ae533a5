// Package swa reads and writes SOAP with attachments: MIME multipart/related
// with a SOAP 1.2 root part, or the bare envelope (AS4 profile 1.15, eDelivery
// a.2).
//
// It owns the framing, its limits, Content-IDs and cid: references, and the
// place where part bytes wait. It does not look into the envelope and trusts no
// stated size. Before it: net/http. After it: xmldoc and wssec.
package swa
