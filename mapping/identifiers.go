package mapping

import (
	"fmt"
	"strings"
	"sync"
)

// idScheme is one kind of number: how it is written, checked and read.
type idScheme struct {
	name   string
	length []int // of the compact form
	letter bool  // it may hold letters
	keep   bool  // its signs have a meaning: it is not made compact
	holds  func(id string) bool
	birth  func(id string) (string, bool) // ISO date, or a part of one
	sex    func(id string) (male bool)
}

// read makes a number compact and checks it.
func (s *idScheme) read(text string) (string, bool) {
	if len(text) > 64 {
		return "", false
	}
	id := strings.ToUpper(trimSpace(text))
	if !s.keep {
		for _, r := range id {
			if strings.ContainsRune(" .-/\u00a0", r) {
				continue
			}
			if !(r >= '0' && r <= '9' || s.letter && r >= 'A' && r <= 'Z') {
				return "", false
			}
		}
		id = compact(id)
	}
	right := len(s.length) == 0 && len(id) >= 2
	for _, n := range s.length {
		right = right || len(id) == n
	}
	return id, right && s.holds(id)
}

// idSchemes is the closed set: general check digits first (ISO/IEC 7812, ISO
// 7064), then national numbers with the rule that their issuer published.
var idSchemes = sync.OnceValue(func() []idScheme {
	return []idScheme{
		{name: "luhn", holds: luhn},
		{name: "mod11-2", letter: true, holds: mod11x2},
		{name: "mod11-10", holds: mod11x10},
		{name: "mod97-10", letter: true, holds: func(id string) bool { return mod97(id) == 1 }},
		{name: "iban", letter: true, length: span(15, 34), holds: func(id string) bool { return mod97(id[4:]+id[:4]) == 1 }},
		{name: "lei", letter: true, length: []int{20}, holds: func(id string) bool { return mod97(id) == 1 }},
		{name: "at-svnr", length: []int{10}, holds: func(id string) bool {
			return weighted(id[:3]+id[4:], 3, 7, 9, 5, 8, 4, 2, 1, 6)%11 == digit(id, 3)
		}},
		{name: "be-rrn", length: []int{11}, holds: func(id string) bool { _, ok := belgianCentury(id); return ok }, birth: belgianBirth, sex: odd(8)},
		{name: "bg-egn", length: []int{10}, holds: func(id string) bool {
			return weighted(id, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10 == digit(id, 9)
		}, birth: func(id string) (string, bool) { return shiftedMonth(id, map[int]int{0: 1900, 20: 1800, 40: 2000}) }, sex: func(id string) bool { return !odd(8)(id) }},
		{name: "cz-rc", length: []int{9, 10}, holds: czech, birth: czechBirth, sex: func(id string) bool { return digit(id, 2) < 5 }},
		{name: "de-idnr", length: []int{11}, holds: func(id string) bool { return id[0] != '0' && mod11x10(id) }},
		{name: "ee-isikukood", length: []int{11}, holds: baltic, birth: balticBirth, sex: odd(0)},
		{name: "es-nif", letter: true, length: []int{9}, holds: spanish},
		{name: "fi-hetu", keep: true, length: []int{11}, holds: finnish, birth: finnishBirth, sex: odd(9)},
		{name: "fi-ytunnus", length: []int{8}, holds: func(id string) bool {
			rest := weighted(id, 7, 9, 10, 5, 8, 4, 2) % 11
			return rest != 1 && (11-rest)%11 == digit(id, 7)
		}},
		{name: "fr-nir", letter: true, length: []int{15}, holds: french, sex: odd(0)},
		{name: "gr-afm", length: []int{9}, holds: func(id string) bool {
			return weighted(id, 256, 128, 64, 32, 16, 8, 4, 2)%11%10 == digit(id, 8)
		}},
		{name: "hr-oib", length: []int{11}, holds: mod11x10},
		{name: "it-cf", letter: true, length: []int{16}, holds: italian, sex: func(id string) bool { return italianDigit(id[9]) < 4 }},
		{name: "it-piva", length: []int{11}, holds: luhn},
		{name: "lt-ak", length: []int{11}, holds: baltic, birth: balticBirth, sex: odd(0)},
		{name: "nl-bsn", length: []int{9}, holds: func(id string) bool {
			return id != "000000000" && weighted(id, 9, 8, 7, 6, 5, 4, 3, 2)%11 == digit(id, 8)
		}},
		{name: "no-fnr", length: []int{11}, holds: func(id string) bool {
			return (weighted(id, 3, 7, 6, 1, 8, 9, 4, 5, 2)+digit(id, 9))%11 == 0 && (weighted(id, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)+digit(id, 10))%11 == 0
		}, sex: odd(8)},
		{name: "pl-nip", length: []int{10}, holds: func(id string) bool { return weighted(id, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == digit(id, 9) }},
		{name: "pl-pesel", length: []int{11}, holds: func(id string) bool {
			return (weighted(id, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)+digit(id, 10))%10 == 0
		}, birth: func(id string) (string, bool) {
			return shiftedMonth(id, map[int]int{0: 1900, 20: 2000, 40: 2100, 60: 2200, 80: 1800})
		}, sex: odd(9)},
		{name: "pt-nif", length: []int{9}, holds: func(id string) bool {
			return (11-weighted(id, 9, 8, 7, 6, 5, 4, 3, 2)%11)%11%10 == digit(id, 8)
		}},
		{name: "ro-cnp", length: []int{13}, holds: func(id string) bool {
			rest := weighted(id, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
			return rest%10+rest/10 == digit(id, 12)
		}, birth: romanianBirth, sex: odd(0)},
		{name: "se-pnr", length: []int{10, 12}, holds: func(id string) bool { return luhn(id[len(id)-10:]) }, sex: func(id string) bool { return odd(len(id) - 2)(id) }},
		{name: "si-davcna", length: []int{8}, holds: func(id string) bool {
			rest := 11 - weighted(id, 8, 7, 6, 5, 4, 3, 2)%11
			return id[0] != '0' && rest != 11 && rest%10 == digit(id, 7)
		}},
		{name: "si-emso", length: []int{13}, holds: func(id string) bool {
			rest := weighted(id, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2) % 11
			return rest != 1 && (11-rest)%11 == digit(id, 12)
		}, birth: func(id string) (string, bool) {
			year := "1" + id[4:7]
			if id[4] < '8' {
				year = "2" + id[4:7]
			}
			return dateOf(year, id[2:4], id[:2])
		}, sex: func(id string) bool { return id[9] < '5' }},
	}
})

func span(from, to int) []int {
	var out []int
	for ; from <= to; from++ {
		out = append(out, from)
	}
	return out
}

func digit(id string, i int) int { return int(id[i] - '0') }

// odd is the rule of most: an odd digit at the place is a man's.
func odd(i int) func(id string) bool { return func(id string) bool { return digit(id, i)%2 == 1 } }

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = 10*n + digit(s, i)
	}
	return n
}

// weighted sums digits times weights.
func weighted(id string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += w * digit(id, i)
	}
	return sum
}

// luhn is ISO/IEC 7812-1 annex B.
func luhn(id string) bool {
	sum := 0
	for i := range len(id) {
		d := digit(id, len(id)-1-i)
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// mod11x2 is ISO/IEC 7064 MOD 11-2: digits, and X as the last.
func mod11x2(id string) bool {
	sum := 0
	for i := range len(id) - 1 {
		if id[i] > '9' {
			return false
		}
		sum = (sum + digit(id, i)) * 2 % 11
	}
	last, want := id[len(id)-1], (12-sum)%11
	return want == 10 && last == 'X' || want < 10 && last == byte('0'+want)
}

// mod11x10 is ISO/IEC 7064 MOD 11,10.
func mod11x10(id string) bool {
	rest := 10
	for i := range len(id) - 1 {
		rest = (rest + digit(id, i)) % 10
		if rest == 0 {
			rest = 10
		}
		rest = rest * 2 % 11
	}
	return (11-rest)%10 == digit(id, len(id)-1)
}

// mod97 is ISO/IEC 7064 MOD 97-10; letters count from 10.
func mod97(id string) int {
	rest := 0
	for i := range len(id) {
		if c := id[i]; c > '9' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + digit(id, i)) % 97
		}
	}
	return rest
}

// dateOf makes a date of its parts; month or day 00 is one that is not known.
func dateOf(y, m, d string) (string, bool) {
	switch {
	case m == "00" && validDate(y, "01", "01"):
		return y, true
	case m != "00" && d == "00" && validDate(y, m, "01"):
		return y + "-" + m, true
	}
	return y + "-" + m + "-" + d, validDate(y, m, d)
}

// shiftedMonth reads YYMMDD where what is added to the month tells the century.
func shiftedMonth(id string, centuries map[int]int) (string, bool) {
	month := number(id[2:4])
	century, ok := centuries[month/20*20]
	return datePartsOf(century+number(id[:2]), month%20, id[4:6], ok)
}

func datePartsOf(year, month int, day string, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	return dateOf(fmt.Sprintf("%04d", year), fmt.Sprintf("%02d", month), day)
}

// belgianCentury finds the century by the check digits: from 2000 on a 2 stands
// before the number when they are made.
func belgianCentury(id string) (int, bool) {
	check := number(id[9:])
	switch {
	case 97-number(id[:9])%97 == check:
		return 1900, true
	case 97-number("2"+id[:9])%97 == check:
		return 2000, true
	}
	return 0, false
}

// belgianBirth knows bis numbers, whose month is 20 or 40 higher.
func belgianBirth(id string) (string, bool) {
	century, ok := belgianCentury(id)
	return datePartsOf(century+number(id[:2]), number(id[2:4])%20, id[4:6], ok)
}

func czech(id string) bool {
	if len(id) == 9 {
		return number(id[6:]) > 0 // before 1954 there was no check digit
	}
	rest := number(id[:9]) % 11 % 10
	return rest == digit(id, 9)
}

func czechBirth(id string) (string, bool) {
	year, month := number(id[:2]), number(id[2:4])%50
	if month > 20 {
		month -= 20 // since 2004, when the numbers of a day do not suffice
	}
	switch {
	case len(id) == 9 && year < 54, len(id) == 10 && year >= 54:
		year += 1900
	case len(id) == 10:
		year += 2000
	default:
		year += 1800
	}
	return datePartsOf(year, month, id[4:6], true)
}

// baltic is the rule of Estonia and Lithuania.
func baltic(id string) bool {
	rest := weighted(id, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if rest == 10 {
		rest = weighted(id, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11 % 10
	}
	return rest == digit(id, 10)
}

func balticBirth(id string) (string, bool) {
	first := digit(id, 0)
	return datePartsOf(1800+(first-1)/2*100+number(id[1:3]), number(id[3:5]), id[5:7], first >= 1 && first <= 8)
}

func spanish(id string) bool {
	n := strings.IndexByte("XYZ", id[0])
	body := id[:8]
	if n >= 0 {
		body = string(byte('0'+n)) + id[1:8]
	}
	return allDigits(body) && "TRWAGMYFPDXBNJZSQVHLCKE"[number(body)%23] == id[8]
}

// hetuSigns are the signs of the centuries, those of 2023 with them.
var hetuSigns = map[byte]int{'+': 1800, '-': 1900, 'Y': 1900, 'X': 1900, 'W': 1900, 'V': 1900, 'U': 1900,
	'A': 2000, 'B': 2000, 'C': 2000, 'D': 2000, 'E': 2000, 'F': 2000}

func finnish(id string) bool {
	_, ok := hetuSigns[id[6]]
	return ok && allDigits(id[:6]) && allDigits(id[7:10]) &&
		"0123456789ABCDEFHJKLMNPRSTUVWXY"[number(id[:6]+id[7:10])%31] == id[10]
}

func finnishBirth(id string) (string, bool) {
	return datePartsOf(hetuSigns[id[6]]+number(id[4:6]), number(id[2:4]), id[:2], true)
}

func french(id string) bool {
	body := id[:13]
	switch body[5:7] { // Corsica
	case "2A":
		body = body[:5] + "19" + body[7:]
	case "2B":
		body = body[:5] + "18" + body[7:]
	}
	return allDigits(body) && allDigits(id[13:]) && 97-number(body)%97 == number(id[13:])
}

// italianDigit reads a digit that may have become a letter, where two people
// would have the same code.
func italianDigit(c byte) int {
	if i := strings.IndexByte("LMNPQRSTUV", c); i >= 0 {
		return i
	}
	return int(c) - '0'
}

func italian(id string) bool {
	const form = "AAAAAA99A99A999A"
	odds := [26]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for i := range 15 {
		c := id[i]
		letter := c >= 'A'
		if form[i] == 'A' && !letter || form[i] == '9' && letter && strings.IndexByte("LMNPQRSTUV", c) < 0 {
			return false
		}
		n := int(c) - 'A'
		if !letter {
			n = int(c) - '0'
		}
		if i%2 == 0 {
			n = odds[n]
		}
		sum += n
	}
	return id[15] == byte('A'+sum%26)
}

func romanianBirth(id string) (string, bool) {
	century, ok := map[byte]int{'1': 1900, '2': 1900, '3': 1800, '4': 1800, '5': 2000, '6': 2000}[id[0]]
	return datePartsOf(century+number(id[1:3]), number(id[3:5]), id[5:7], ok)
}
