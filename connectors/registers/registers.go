package registers

import "embed"

// FS holds the folders of the built-in registers.
//
//go:embed births residence companies
var FS embed.FS
