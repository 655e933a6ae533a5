package mapping

import (
	"errors"
	"math/big"
	"strings"
)

// Numbers are texts with all their digits; arithmetic is exact, never with
// floating point. Rounding is commercial: half goes away from zero.

var (
	errNumber = errors.New("not a number")
	errPlaces = errors.New("want 0 to 20 places")
)

const maxPlaces = 20

// numberFunctions calculate and convert.
func numberFunctions() []Function {
	text := Param{Name: "number", Type: TypeText}
	other := Param{Name: "other", Type: TypeText}
	places := Param{Name: "places", Type: TypeNumber}
	point := Param{Name: "point", Type: TypeWord}
	group := Param{Name: "group", Type: TypeWord, Optional: true}
	return []Function{
		{
			Name: "decimal", Params: []Param{{Name: "text", Type: TypeText}, point, group}, Returns: TypeText,
			Doc:      "A number as registers write it, made a decimal number: point is the decimal sign, group the sign between thousands.",
			Examples: []Example{{"decimal('12.500,75', ',', '.')", "", "12500.75"}, {"decimal('12,5', ',')", "", "12.5"}, {"decimal('a dozen', ',')", "", "error: decimal(): not a number"}},
			check:    checkWord(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				s, err = c.decimal(s, 1)
				return textValue(s), err
			},
		},
		{
			Name: "add", Params: []Param{text, {Name: "other", Type: TypeText, Repeated: true}}, Returns: TypeText,
			Doc:      "The sum of decimal numbers, exact. A missing one makes the outcome missing.",
			Examples: []Example{{"add('0.1', '0.2')", "", "0.3"}, {"add(gross, '-12.50')", `{"gross":"100"}`, "87.50"}, {"add(a, '1')", `{}`, ""}},
			eval:     arithmetic(func(a, b *big.Rat) *big.Rat { return a.Add(a, b) }, func(a, b int) int { return max(a, b) }),
		},
		{
			Name: "subtract", Params: []Param{text, other}, Returns: TypeText,
			Doc:      "The difference of two decimal numbers, exact.",
			Examples: []Example{{"subtract('100', '12.50')", "", "87.50"}},
			eval:     arithmetic(func(a, b *big.Rat) *big.Rat { return a.Sub(a, b) }, func(a, b int) int { return max(a, b) }),
		},
		{
			Name: "multiply", Params: []Param{text, other}, Returns: TypeText,
			Doc:      "The product of two decimal numbers, exact.",
			Examples: []Example{{"multiply('12.50', '12')", "", "150.00"}, {"multiply('-0.5', '0.5')", "", "-0.25"}},
			eval:     arithmetic(func(a, b *big.Rat) *big.Rat { return a.Mul(a, b) }, func(a, b int) int { return a + b }),
		},
		{
			Name: "divide", Params: []Param{text, other, places}, Returns: TypeText,
			Doc:      "The quotient of two decimal numbers, rounded to so many places.",
			Examples: []Example{{"divide('100', '3', 2)", "", "33.33"}, {"divide('1', '0', 2)", "", "error: divide(): division by zero"}},
			eval: func(c *callCtx) (value, error) {
				a, b, err := c.two()
				if err != nil || a == nil || b == nil {
					return textValue(""), err
				}
				if b.Sign() == 0 {
					return value{}, errors.New("division by zero")
				}
				return c.rounded(a.Quo(a, b), 2)
			},
		},
		{
			Name: "round", Params: []Param{text, places}, Returns: TypeText,
			Doc:      "The number with exactly so many places; half is rounded away from zero. For amounts: round(x, 2).",
			Examples: []Example{{"round('2.345', 2)", "", "2.35"}, {"round('12', 2)", "", "12.00"}, {"round('-0.5', 0)", "", "-1"}},
			eval: func(c *callCtx) (value, error) {
				a, _, err := c.rat(0)
				if err != nil || a == nil {
					return textValue(""), err
				}
				return c.rounded(a, 1)
			},
		},
		{
			Name: "sum", Params: []Param{{Name: "path", Type: TypeNodes}}, Returns: TypeText,
			Doc:      "The sum of the decimal numbers that a path finds, exact; empty nodes are left out, and of no number there is no sum.",
			Examples: []Example{{"sum(line/amount)", `{"line":[{"amount":"12.50"},{"amount":"0.75"},{"amount":""}]}`, "13.25"}, {"sum(line/amount)", "{}", ""}},
			eval:     evalSum,
		},
		{
			Name: "convert", Params: []Param{text, {Name: "from", Type: TypeText}, {Name: "to", Type: TypeWord}, places}, Returns: TypeText,
			Doc:      "A number in one unit, made one in another: " + unitWords() + ". Case of units does not count.",
			Examples: []Example{{"convert('110', 'PS', 'kW', 0)", "", "81"}, {"convert('1.598', 'l', 'cm3', 0)", "", "1598"}, {"convert('12.5', '%', '1', 3)", "", "0.125"}, {"convert('1', 'kg', 'km', 0)", "", "error: convert(): units of two kinds"}},
			check:    checkUnit(2),
			eval: func(c *callCtx) (value, error) {
				a, _, err := c.rat(0)
				if err != nil || a == nil {
					return textValue(""), err
				}
				from, err := c.text(1)
				if err != nil {
					return value{}, err
				}
				return c.converted(a, from, 2, 3)
			},
		},
		{
			Name: "quantity", Params: []Param{{Name: "text", Type: TypeText}, {Name: "to", Type: TypeWord}, places, {Name: "point", Type: TypeWord, Optional: true}, group}, Returns: TypeText,
			Doc:      "A number with its unit behind it, made a number in another unit; the units are those of convert. point and group as for decimal.",
			Examples: []Example{{"quantity('81 kW', 'PS', 0)", "", "110"}, {"quantity('1.598,0 cm3', 'l', 3, ',', '.')", "", "1.598"}, {"quantity('80 parrots', 'kW', 0)", "", "error: quantity(): an unknown unit"}},
			check:    checkUnit(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				number, unit := cutUnit(s)
				if unit == "" {
					return value{}, errUnit
				}
				if c.n() > 3 {
					if number, err = c.decimal(number, 3); err != nil {
						return value{}, err
					}
				}
				a, _, err := parseRat(number)
				if err != nil {
					return value{}, err
				}
				return c.converted(a, unit, 1, 2)
			},
		},
	}
}

// decimal reads a number with the signs that stand as words from argument i on.
func (c *callCtx) decimal(s string, i int) (string, error) {
	if c.n() > i+1 && c.word(i+1) != "" {
		s = strings.ReplaceAll(s, c.word(i+1), "")
	}
	if c.word(i) != "" {
		s = strings.ReplaceAll(s, c.word(i), ".")
	}
	if !isDecimal(s) {
		return "", errNumber
	}
	return s, nil
}

func parseRat(s string) (*big.Rat, int, error) {
	if !isDecimal(s) {
		return nil, 0, errNumber
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, 0, errNumber
	}
	_, fraction, _ := strings.Cut(s, ".")
	return r, len(fraction), nil
}

// rat is argument i as an exact number with its places; nil when it is missing.
func (c *callCtx) rat(i int) (*big.Rat, int, error) {
	s, err := c.text(i)
	if err != nil || s == "" {
		return nil, 0, err
	}
	return parseRat(s)
}

func (c *callCtx) two() (a, b *big.Rat, err error) {
	if a, _, err = c.rat(0); err == nil {
		b, _, err = c.rat(1)
	}
	return a, b, err
}

// rounded writes a number with the places that argument i says.
func (c *callCtx) rounded(r *big.Rat, i int) (value, error) {
	places, err := c.int(i)
	if err != nil {
		return value{}, err
	}
	if places < 0 || places > maxPlaces {
		return value{}, errPlaces
	}
	return textValue(writeRat(r, places)), c.m.charge(8)
}

// writeRat writes a number without the sign of a zero.
func writeRat(r *big.Rat, places int) string {
	s := r.FloatString(places) // rounds half away from zero
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return s
}

// arithmetic folds numbers with f; scale says how many places the outcome has.
func arithmetic(f func(a, b *big.Rat) *big.Rat, scale func(a, b int) int) func(c *callCtx) (value, error) {
	return func(c *callCtx) (value, error) {
		sum, places, err := c.rat(0)
		if err != nil || sum == nil {
			return textValue(""), err
		}
		for i := 1; i < c.n(); i++ {
			r, n, err := c.rat(i)
			if err != nil || r == nil {
				return textValue(""), err
			}
			sum, places = f(sum, r), scale(places, n)
		}
		return textValue(writeRat(sum, places)), c.m.charge(4 * c.n())
	}
}

func evalSum(c *callCtx) (value, error) {
	v, err := c.arg(0)
	if err != nil {
		return value{}, err
	}
	var sum *big.Rat
	places := 0
	for _, id := range v.nodes {
		s, err := c.m.nodeText(id)
		if err != nil {
			return value{}, err
		}
		if s == "" {
			continue
		}
		r, n, err := parseRat(s)
		if err != nil {
			return value{}, err
		}
		if sum == nil {
			sum = new(big.Rat)
		}
		sum.Add(sum, r)
		places = max(places, n)
		if err := c.m.charge(8); err != nil {
			return value{}, err
		}
	}
	if sum == nil {
		return textValue(""), nil
	}
	return textValue(writeRat(sum, places)), nil
}
