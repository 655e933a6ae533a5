package regrep

import (
	"slices"
	"strings"
)

// The code lists of TDD 2.0.1, annex "code lists".

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

var (
	// defaultProcedures is the list Procedures (Annex II of Reg. 2018/1724 and the
	// four directives), with 00 for the system check.
	defaultProcedures = strings.Fields(`00 R1 S1 T1 T2 T3 U1 U2 U3 U4 V1 V2 V3 V4 V5 W1 W2
		X1 X2 X3 X4 X5 X6 X7 X9 X10 X11 AM1`)

	mediaTypes = words(`image/jpeg application/json image/png application/pdf application/xml image/svg+xml`)

	assuranceLevels = words(`Low Substantial High`)
	legalSchemes    = words(`VAT TAX BusinessCode LEI EORI SEED SIC`)
	gendersEidas    = words(`Male Female Unspecified`)
	gendersEidas2   = words(`0 1 2 3 4 5 6 9`)

	associated = words(`Annex HumanReadableVersion Translation`)

	ootsCountries = words(`AT BE BG HR CY CZ DK EE FI FR DE EL HU IS IE IT LV LI LT LU MT NL NO PL PT RO
		SK SI ES SE EU`)

	// CountryIdentificationCode 2.3: ISO 3166-1 alpha-2 with EL for Greece.
	countries = words(`AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN
		BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ
		EC EE EG EH EL ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GS GT GU GW GY HK HM
		HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK
		LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG
		NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
		SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM
		US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`)

	// LanguageCode 2.3: ISO 639-1 in upper case.
	languages = words(`AA AB AE AF AK AM AN AR AS AV AY AZ BA BE BG BH BI BM BN BO BR BS CA CE CH CO CR CS
		CU CV CY DA DE DV DZ EE EL EN EO ES ET EU FA FF FI FJ FO FR FY GA GD GL GN GU GV HA HE HI HO HR HT HU
		HY HZ IA ID IE IG II IK IO IS IT IU JA JV KA KG KI KJ KK KL KM KN KO KR KS KU KV KW KY LA LB LG LI LN
		LO LT LU LV MG MH MI MK ML MN MR MS MT MY NA NB ND NE NG NL NN NO NR NV NY OC OJ OM OR OS PA PI PL PS
		PT QU RM RN RO RU RW SA SC SD SE SG SI SK SL SM SN SO SQ SR SS ST SU SV SW TA TE TG TH TI TK TL TM TN
		TO TR TS TT TW TY UG UK UR UZ VE VI VO WA WO XH YI YO ZA ZH ZU`)

	// Electronic Address Scheme, the set of TDD 2.0.1.
	eas = words(`0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177
		0183 0184 0188 0190 0191 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204 0205 0208 0209
		0210 0211 0212 0213 0215 0216 0217 0218 0221 0225 0230 0235 0240 0244 9910 9913 9914 9915 9918 9919
		9920 9922 9923 9924 9925 9926 9927 9928 9929 9930 9931 9932 9933 9934 9935 9936 9937 9938 9939 9940
		9941 9942 9943 9944 9945 9946 9947 9948 9949 9950 9951 9952 9953 9957 9959 AN AQ AS AU EM`)
)

const (
	easPrefix          = "urn:cef.eu:names:identifier:EAS:"
	unregisteredPrefix = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
)

// organisationScheme reports whether s may name an organisation: an EAS code, or
// "unregistered" with a country or "oots".
func organisationScheme(s string) bool {
	if code, ok := strings.CutPrefix(s, easPrefix); ok {
		return eas[code]
	}
	code, ok := strings.CutPrefix(s, unregisteredPrefix)
	return ok && (code == "oots" || countries[code])
}

// nuts reports whether s has the form of a NUTS code: a country and one to three
// places. The list itself changes every three years and is not checked here.
func nuts(s string) bool {
	if len(s) < 3 || len(s) > 5 || !countries[s[:2]] && s[:2] != "UK" {
		return false
	}
	return !strings.ContainsFunc(s[2:], func(c rune) bool { return (c < '0' || c > '9') && (c < 'A' || c > 'Z') })
}

// repositoryPath returns what follows the host of the Semantic Repository
// (production or acceptance) in a URL.
func repositoryPath(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "https://sr.")
	if !ok {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "acc.")
	return strings.CutPrefix(rest, "oots.tech.ec.europa.eu/")
}

// repositoryItem reports whether s is the URL of something in a folder of the
// Semantic Repository.
func repositoryItem(s, folder string) bool {
	path, ok := repositoryPath(s)
	if !ok {
		return false
	}
	item, ok := strings.CutPrefix(path, folder+"/")
	return ok && item != "" && len(s) <= maxURL && !strings.ContainsAny(item, " \t\r\n")
}

// requirementURI implements R-EDM-REQ-C008.
func requirementURI(s string) bool {
	path, ok := repositoryPath(s)
	id, ok2 := strings.CutPrefix(path, "requirements/")
	return ok && ok2 && uuid(id)
}

// classificationURI implements R-EDM-REQ-C027 and R-EDM-RESP-C017; unlike other
// UUIDs this one is lower case only.
func classificationURI(s string) bool {
	path, ok := repositoryPath(s)
	rest, ok2 := strings.CutPrefix(path, "evidencetypeclassifications/")
	country, id, ok3 := strings.Cut(rest, "/")
	return ok && ok2 && ok3 && (country == "oots" || ootsCountries[country]) && uuid(id) && id == strings.ToLower(id)
}

// codeListURI implements R-EDM-REQ-C098.
func codeListURI(s string) bool {
	path, ok := repositoryPath(s)
	rest, ok2 := strings.CutPrefix(path, "codelists/")
	country, name, ok3 := strings.Cut(rest, "/")
	return ok && ok2 && ok3 && (country == "oots" || ootsCountries[country]) && name != ""
}

// uuid reports whether s is a UUID, in either case (RFC 4122).
func uuid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// eidasIdentifier reports whether s is XX/YY/ and 6 to 256 visible characters
// (R-EDM-REQ-C040, C051).
func eidasIdentifier(s string) bool {
	from, rest, ok := strings.Cut(s, "/")
	to, unique, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || !ootsCountries[strings.ToUpper(from)] || !ootsCountries[strings.ToUpper(to)] {
		return false
	}
	n := 0
	for _, c := range unique {
		if c <= ' ' {
			return false
		}
		n++
	}
	return n >= 6 && n <= 256
}

func oneOf(list ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(list, s) }
}

func in(set map[string]bool) func(string) bool { return func(s string) bool { return set[s] } }
