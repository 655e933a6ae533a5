package mapping

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// unit is one unit of measurement: how many of the first unit of its kind it is.
type unit struct {
	kind   string
	factor *big.Rat
}

// unitKinds is the closed set. Factors are exact: Directive 80/181/EEC; the inch,
// foot, mile and pound by the agreement of 1959; PS is 75 kgf·m/s.
var unitKinds = []struct{ kind, units string }{
	{"length", "m 1 mm 1/1000 cm 1/100 dm 1/10 km 1000 in 254/10000 ft 3048/10000 mi 1609344/1000 nmi 1852"},
	{"area", "m2 1 m² 1 cm2 1/10000 a 100 ha 10000 km2 1000000 km² 1000000"},
	{"volume", "l 1 ml 1/1000 cl 1/100 dl 1/10 hl 100 cm3 1/1000 cm³ 1/1000 ccm 1/1000 cc 1/1000 dm3 1 dm³ 1 m3 1000 m³ 1000"},
	{"mass", "kg 1 mg 1/1000000 g 1/1000 t 1000 lb 45359237/100000000"},
	{"power", "kW 1 W 1/1000 MW 1000 PS 73549875/100000000 hp 74569987158227022/100000000000000000"},
	{"energy", "kWh 1 Wh 1/1000 MWh 1000 MJ 10/36 kJ 1/3600"},
	{"speed", "km/h 1 m/s 36/10 mph 1609344/1000000"},
	{"emission by distance", "g/km 1 mg/km 1/1000 g/mi 1000000/1609344"},
	{"emission by energy", "g/kWh 1 mg/kWh 1/1000"},
	{"share", "1 1 % 1/100 ‰ 1/1000"},
}

// unitTable is read-only after the program has started.
var unitTable = sync.OnceValue(func() map[string]unit {
	table := map[string]unit{}
	for _, k := range unitKinds {
		for pair := range slices.Chunk(strings.Fields(k.units), 2) {
			factor, ok := new(big.Rat).SetString(pair[1])
			if !ok {
				panic("unit " + pair[0])
			}
			table[foldCode(pair[0])] = unit{k.kind, factor}
		}
	}
	return table
})

// unitWords lists the units by kind for the documentation.
func unitWords() string {
	var kinds []string
	for _, k := range unitKinds {
		var names []string
		for pair := range slices.Chunk(strings.Fields(k.units), 2) {
			names = append(names, pair[0])
		}
		kinds = append(kinds, k.kind+" ("+strings.Join(names, ", ")+")")
	}
	return strings.Join(kinds, ", ")
}

func unitNamed(name string) *unit {
	u, ok := unitTable()[foldCode(trimSpace(strings.Trim(name, "\u00a0\u202f ")))]
	if !ok {
		return nil
	}
	return &u
}

// cutUnit parts a number and the unit behind it; the longest unit counts.
func cutUnit(s string) (number, unit string) {
	for name := range unitTable() {
		at := len(s) - len(name)
		if name == "1" || at <= 0 || len(name) < len(unit) || foldCode(s[at:]) != name {
			continue
		}
		if before := strings.TrimRight(s[:at], "\u00a0\u202f "); before != "" && before[len(before)-1] >= '0' && before[len(before)-1] <= '9' {
			number, unit = before, name
		}
	}
	return number, unit
}

func checkUnit(i int) func(c *call) *exprError {
	return func(c *call) *exprError {
		if l, ok := c.args[i].(*literal); ok && unitNamed(l.v.text) == nil {
			return &exprError{l.at, "there is no such unit"}
		}
		return nil
	}
}

var (
	errUnit  = errors.New("an unknown unit")
	errUnits = errors.New("units of two kinds")
)

// converted makes r, which is in the unit from, one in the unit that argument to
// names, with the places of the next one.
func (c *callCtx) converted(r *big.Rat, from string, to, places int) (value, error) {
	a, b := unitNamed(from), unitNamed(c.word(to))
	switch {
	case a == nil || b == nil:
		return value{}, errUnit
	case a.kind != b.kind:
		return value{}, errUnits
	}
	r.Mul(r, a.factor)
	return c.rounded(r.Quo(r, b.factor), places)
}
