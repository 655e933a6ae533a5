// Package pdf typesets short documents for people: a title, headings,
// paragraphs and tables, on A4 pages. What it makes is tagged (PDF/UA-1) and
// made to be kept (PDF/A-2a): fonts are embedded, the order of reading is that of
// the content, nothing in it is active, and the same content gives the same
// bytes.
//
// It owns typesetting: line and page breaks, repeated heads of tables, page
// numbers, the structure tree. Glyphs, streams and fonts are written by fpdf; the
// structure, which fpdf has no notion of, is added as an incremental update of
// its file (ISO 32000-1, 7.5.6). It does not know what the words mean.
//
// Before it: connectors/evidence. After it: the readers of people.
package pdf
