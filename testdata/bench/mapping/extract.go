package main

import (
	"bytes"
	"fmt"
)

// extract makes an extract of a population register of about size bytes and says
// how many persons it holds. Nobody in it exists; the same size is the same text.
func extract(size int) (doc []byte, persons int) {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<pop:Extract xmlns:pop="urn:example:population:extract:3" xmlns:adr="urn:example:address:2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:example:population:extract:3 extract.xsd" asOf="2026-05-11">
  <pop:Header>
    <pop:MessageId>example-2026-05-11-000417</pop:MessageId>
    <pop:Producer system="registry-7">Example population register</pop:Producer>
  </pop:Header>
`)
	for ; b.Len() < size-900; persons++ {
		person(&b, persons)
	}
	b.WriteString("</pop:Extract>\n")
	return b.Bytes(), persons
}

// of takes turns.
func of(i int, list ...string) string { return list[i%len(list)] }

func person(b *bytes.Buffer, i int) {
	fmt.Fprintf(b, `  <pop:Person number="test-%06d" status="%s">
    <pop:Names>
      <pop:Given seq="1">%s</pop:Given>
`, i, of(i, "A", "A", "A", "D", "M"), of(i, "Oskar", "Ana", "Žiga", "Ingrid", "Lucía", "Pär"))
	if i%3 == 0 {
		fmt.Fprintf(b, "      <pop:Given seq=\"2\">%s</pop:Given>\n", of(i/3, "Testa", "María", "Åge"))
	}
	fmt.Fprintf(b, "      <pop:Family>%s</pop:Family>\n", of(i/2, "Prøveland", "Vzorčnik", "de la Prueba", "Exempelsson"))
	if i%4 == 1 {
		b.WriteString("      <pop:Birth>Musterić</pop:Birth>\n")
	}
	fmt.Fprintf(b, `    </pop:Names>
    <pop:Born date="%d%02d%s"><pop:Place code="X-%02d">%s</pop:Place></pop:Born>
    <pop:Sex>%s</pop:Sex>
    <pop:Citizenships><pop:Country>ES</pop:Country>%s</pop:Citizenships>
    <adr:Addresses>
`, 1930+i%90, i%12+1, of(i, "02", "17", "00"), i%50, of(i, "Villaprueba", "Vzorčna vas", "Eksempelby"),
		of(i, "1", "2", "2", "1", "9"), of(i, "", "<pop:Country>SI</pop:Country>"))
	for n := range 1 + i%3 {
		address(b, i, n)
	}
	b.WriteString("    </adr:Addresses>\n    <pop:Events>\n")
	for n := range i % 4 {
		event(b, i, n)
	}
	fmt.Fprintf(b, `    </pop:Events>
    <pop:Audit>
      <pop:Entry user="clerk-%02d" at="2019-05-%02dT10:11:12Z">Corrected by the registrar on duty &amp; countersigned, volume %d</pop:Entry>
      <pop:Checksum alg="crc">%08x</pop:Checksum>
    </pop:Audit>
  </pop:Person>
`, i%40, i%28+1, i, uint32(i)*2654435761)
}

func address(b *bytes.Buffer, i, n int) {
	until := ""
	if n > 0 {
		until = fmt.Sprintf(` until="%d0630"`, 2018-n)
	}
	fmt.Fprintf(b, `      <adr:Address kind="%s" from="%d%02d00"%s>
        <adr:Street>%s</adr:Street>
        <adr:House>%d %s</adr:House>
        <adr:Post code="%05d">%s</adr:Post>
`, of(n, "P", "T", "M"), 2019-2*n, i%12+1, until, of(i+n, "Avenida del Ensayo", "Prøvegade", "Vzorčna ulica"), i%90+1, of(i, "B", "2. tv.", "a"),
		1000+i%8999, of(i+n, "Villaprueba", "Eksempelby", "Vzorčna vas", "Prøveby &amp; omegn"))
	if i%2 == 0 {
		fmt.Fprintf(b, "        <adr:Country>%s</adr:Country>\n", of(i, "DK", "SI"))
	}
	fmt.Fprintf(b, "        <adr:Geo lat=\"55.%04d\" lon=\"12.%04d\"/>\n      </adr:Address>\n", i%10000, n*37)
}

func event(b *bytes.Buffer, i, n int) {
	kind := of(i+n, "MAR", "CHI", "MOV", "CHI", "NAM", "DIV")
	fmt.Fprintf(b, `      <pop:Event type="%s" date="%d0612" registered="%d0701"><pop:Place>%s</pop:Place>`, kind, 1990+n, 1990+n, of(i, "Villaprueba", "Eksempelby"))
	if kind == "MAR" {
		fmt.Fprintf(b, `<pop:Partner number="test-%06d"/>`, i+500000)
	}
	b.WriteString("</pop:Event>\n")
}
