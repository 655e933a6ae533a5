package wssec

import (
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

const (
	soap = ebms.SOAPNamespace
	wss  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"

	base64Binary   = wss + "soap-message-security-1.0#Base64Binary"
	typeX509v3     = wss + "x509-token-profile-1.0#X509v3"
	typePKIPath    = wss + "x509-token-profile-1.0#X509PKIPathv1"
	typeSKI        = wss + "x509-token-profile-1.0#X509SubjectKeyIdentifier"
	typeThumbprint = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
	ultimate       = soap + "/role/ultimateReceiver"
	maxTokens      = 8
	maxTokenBytes  = 32 << 10
	maxPath        = 8
)

func s12(local string) xmldoc.Name   { return xmldoc.Name{Space: soap, Local: local} }
func wsse(local string) xmldoc.Name  { return xmldoc.Name{Space: xmlsec.SpaceWSSE, Local: local} }
func wsu(local string) xmldoc.Name   { return xmldoc.Name{Space: xmlsec.SpaceWSU, Local: local} }
func ds(local string) xmldoc.Name    { return xmldoc.Name{Space: xmlsec.SpaceDS, Local: local} }
func xenc(local string) xmldoc.Name  { return xmldoc.Name{Space: xmlsec.SpaceXENC, Local: local} }
func plain(local string) xmldoc.Name { return xmldoc.Name{Local: local} }
