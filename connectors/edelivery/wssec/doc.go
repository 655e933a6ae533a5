// Package wssec seals outgoing AS4 messages and opens incoming ones with
// WS-Security 1.1.1 (X.509 tokens, SwA profile), as eDelivery AS4 1.15 and 2.0 want
// it: gzip, sign, encrypt; decrypt, verify, gunzip. A Profile is the algorithms of an
// agreement; none of one profile stands in for one of another unless it is named.
//
// It owns the layout of wsse:Security, token references, the trust in a partner's
// certificates, the rule that Messaging, Body and every part are signed and every
// part is encrypted (unless it was agreed to sign only), and receipts. It does not own cryptography (xmlsec), MIME
// (swa) or agreements (pmode). Before it: swa and xmldoc. After it: ebms, which
// reads only the element that was verified here.
package wssec
