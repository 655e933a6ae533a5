package mapping

import (
	_ "embed" // the tables are part of the program, not files it reads
	"slices"
	"strings"
	"sync"
)

// A PublishedList is a code list that a mapping may use by its name.
type PublishedList struct {
	Name    string
	Doc     string
	Example [2]string // a code and what it means

	fold  bool
	codes func() map[string]string
}

//go:embed data/country.tsv
var countryTable string

//go:embed data/language.tsv
var languageTable string

// rows are the lines of a table without comments.
func rows(table string) [][]string {
	var out [][]string
	for line := range strings.Lines(table) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			out = append(out, strings.Split(line, "\t"))
		}
	}
	return out
}

func column(table string, n int) func() map[string]string {
	return func() map[string]string {
		out := map[string]string{}
		for _, row := range rows(table) {
			if n < len(row) {
				out[row[n]] = row[0]
			}
		}
		return out
	}
}

func countryNames() map[string]string {
	out := map[string]string{}
	for _, row := range rows(countryTable) {
		for name := range strings.SplitSeq(row[3], "|") {
			out[name] = row[0]
		}
	}
	return out
}

func languageCodes() map[string]string {
	out := map[string]string{}
	for _, row := range rows(languageTable) {
		for _, code := range row[1:] {
			out[code] = row[0]
		}
	}
	return out
}

// currencies are those of Europe and of much trade, with those that the euro took
// the place of (ISO 4217); a historic one is a fact of its time.
const currencies = `978 EUR 975 BGN 203 CZK 208 DKK 348 HUF 985 PLN 946 RON 752 SEK 352 ISK 578 NOK 756 CHF
826 GBP 840 USD 008 ALL 977 BAM 807 MKD 941 RSD 498 MDL 949 TRY 980 UAH 981 GEL 051 AMD 944 AZN 933 BYN 643 RUB
036 AUD 124 CAD 156 CNY 344 HKD 356 INR 376 ILS 392 JPY 410 KRW 484 MXN 554 NZD 702 SGD 710 ZAR 986 BRL
040 ATS 056 BEF 196 CYP 276 DEM 233 EEK 724 ESP 246 FIM 250 FRF 300 GRD 191 HRK 372 IEP 380 ITL 440 LTL 442 LUF
428 LVL 470 MTL 528 NLG 620 PTE 705 SIT 703 SKK`

func currencyCodes(from int) func() map[string]string {
	return func() map[string]string {
		out := map[string]string{}
		for pair := range slices.Chunk(strings.Fields(currencies), 2) {
			out[pair[from]] = pair[1]
		}
		return out
	}
}

// PublishedLists is the whole set, by name.
func PublishedLists() []PublishedList {
	return []PublishedList{
		{Name: "country", Doc: "ISO 3166-1 alpha-2, for registers that hold other things in the same field", Example: [2]string{"SI", "SI"}, codes: column(countryTable, 0)},
		{Name: "country-alpha3", Doc: "ISO 3166-1 alpha-3 to alpha-2", Example: [2]string{"SVN", "SI"}, codes: column(countryTable, 1)},
		{Name: "country-name", Doc: "names of countries in the official languages of the Union, Icelandic and Norwegian to alpha-2; case does not count", Example: [2]string{"ÖSTERREICH", "AT"}, fold: true, codes: countryNames},
		{Name: "country-numeric", Doc: "ISO 3166-1 numeric, three digits, to alpha-2", Example: [2]string{"705", "SI"}, codes: column(countryTable, 2)},
		{Name: "currency", Doc: "ISO 4217 letters: Europe's, those that the euro took the place of, and those of much trade", Example: [2]string{"EUR", "EUR"}, codes: currencyCodes(1)},
		{Name: "currency-numeric", Doc: "ISO 4217 numeric, three digits, to letters", Example: [2]string{"978", "EUR"}, codes: currencyCodes(0)},
		{Name: "language", Doc: "ISO 639-1", Example: [2]string{"sl", "sl"}, codes: column(languageTable, 0)},
		{Name: "language-alpha3", Doc: "ISO 639-2 (both forms) and 639-3 to 639-1", Example: [2]string{"slv", "sl"}, codes: languageCodes},
		{Name: "sex-iso5218", Doc: "ISO/IEC 5218 to the words of the records", Example: [2]string{"2", "female"}, codes: func() map[string]string {
			return map[string]string{"0": "not-stated", "1": "male", "2": "female", "9": "not-stated"}
		}},
		{Name: "sex-mf", Doc: "M and F, and X for neither, to the words of the records; case does not count", Example: [2]string{"F", "female"}, fold: true, codes: func() map[string]string {
			return map[string]string{"M": "male", "F": "female", "X": "undetermined"}
		}},
	}
}

// publishedTable is read-only after the program has started.
var publishedTable = sync.OnceValue(func() map[string]PublishedList {
	table := map[string]PublishedList{}
	for _, l := range PublishedLists() {
		l.codes = sync.OnceValue(l.codes)
		table[l.Name] = l
	}
	return table
})
