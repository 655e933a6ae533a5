package xmldoc

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

// The productions of XML 1.0 fifth edition, 2.2 and 2.3, without the colon.
func TestCharacterClasses(t *testing.T) {
	r32 := func(pairs ...uint32) *unicode.RangeTable {
		table := &unicode.RangeTable{}
		for i := 0; i < len(pairs); i += 2 {
			table.R32 = append(table.R32, unicode.Range32{Lo: pairs[i], Hi: pairs[i+1], Stride: 1})
		}
		return table
	}
	start := r32('A', 'Z', '_', '_', 'a', 'z', 0xC0, 0xD6, 0xD8, 0xF6, 0xF8, 0x2FF, 0x370, 0x37D, 0x37F, 0x1FFF, 0x200C, 0x200D,
		0x2070, 0x218F, 0x2C00, 0x2FEF, 0x3001, 0xD7FF, 0xF900, 0xFDCF, 0xFDF0, 0xFFFD, 0x10000, 0xEFFFF)
	more := r32('-', '.', '0', '9', 0xB7, 0xB7, 0x300, 0x36F, 0x203F, 0x2040)
	char := r32(0x9, 0xA, 0xD, 0xD, 0x20, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFF)
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if got, want := isNameStart(r), unicode.Is(start, r); got != want {
			t.Errorf("isNameStart(%U) is %v", r, got)
		}
		if got, want := isNameRest(r), unicode.Is(start, r) || unicode.Is(more, r); got != want {
			t.Errorf("isNameRest(%U) is %v", r, got)
		}
		if got, want := isChar(r), unicode.Is(char, r); got != want {
			t.Errorf("isChar(%U) is %v", r, got)
		}
		if utf8.ValidRune(r) {
			if got, want := ValidText(string(r)), unicode.Is(char, r); got != want {
				t.Errorf("ValidText(%U) is %v", r, got)
			}
		}
	}
}
