package xmldoc

// Limits bound what one document may cost before it is refused. A zero field
// means its default; limits cannot be switched off, only raised.
type Limits struct {
	MaxBytes      int // Default 16 MiB; size of the document as received. At most 1 GiB.
	MaxDepth      int // Default 64; nested elements.
	MaxNodes      int // Default 524288; elements, attributes, declarations, texts, comments and PIs together.
	MaxAttributes int // Default 256; attributes and namespace declarations of one element.
	MaxNamespaces int // Default 128; namespace declarations in scope at any point.
	MaxName       int // Default 1024; bytes in one qualified name or namespace name. At most 65535.
}

const (
	defaultMaxBytes      = 16 << 20
	defaultMaxDepth      = 64
	defaultMaxNodes      = 1 << 19
	defaultMaxAttributes = 256
	defaultMaxNamespaces = 128
	defaultMaxName       = 1024

	// Offsets are kept in 32 bits and name lengths in 16.
	ceilingBytes = 1 << 30
	ceilingDepth = 1<<16 - 1
	ceilingName  = 1<<16 - 1
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, def, ceiling int) {
		if *v <= 0 {
			*v = def
		}
		*v = min(*v, ceiling)
	}
	set(&l.MaxBytes, defaultMaxBytes, ceilingBytes)
	set(&l.MaxDepth, defaultMaxDepth, ceilingDepth)
	set(&l.MaxNodes, defaultMaxNodes, ceilingBytes)
	set(&l.MaxAttributes, defaultMaxAttributes, ceilingBytes)
	set(&l.MaxNamespaces, defaultMaxNamespaces, ceilingBytes)
	set(&l.MaxName, defaultMaxName, ceilingName)
	return l
}
