package register

import (
	"encoding/json"
	"fmt"

	"oncegate/mapping"
)

// args compares the values of a statement's parameters with query.args, a JSON list
// of texts and nulls.
func (c *sampleCase) args(req *request) error {
	want, err := c.file("query.args")
	if err != nil {
		return err
	}
	have, err := json.Marshal(req.args)
	if err != nil {
		return fmt.Errorf("writing the values of the query: %w", err)
	}
	if h, w := indentJSON(have), indentJSON(want); h != w || w == "" {
		return fmt.Errorf("the values differ from query.args\n%s", mapping.FirstDifference([]byte(h), []byte(w)))
	}
	return nil
}
