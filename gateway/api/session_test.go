package api

import (
	"testing"

	"oncegate/schemas/canon"
)

// A session is one procedure of one person. What it has serves nobody else, and no
// other procedure: the explicit request is specific (Reg. 2018/1724 Art. 14(7)).
//
// Covers: B-017, B-020
func TestASessionIsOfOnePersonAndOneProcedure(t *testing.T) {
	d := commonServices()
	d.Procedures["T3"] = d.Procedures["T2"]
	w := newWorld(t, planning(d))
	wishes := func(procedure string) obj {
		return obj{"procedure": procedure, "requirements": []any{wish(needBirth, "LV"), otherwise(needAge), otherwise(needDegree)}}
	}
	open := func(key, procedure string, more ...obj) answer {
		target := "/api/v1/plans/" + w.plan(wishes(procedure))["id"].(string) + "/exchanges"
		return w.do("POST", target, portalToken, asking(wishes(procedure), more...), "Idempotency-Key", key)
	}
	first := w.want(open(key, "T2"), 202).json(t)["exchanges"].([]any)[0].(obj)
	w.offer(canon.ConversationID(first["id"].(string)))
	w.want(w.do("POST", path(canon.ConversationID(first["id"].(string)), "preview"), portalToken, nil), 200)
	w.deliver(canon.ConversationID(first["id"].(string)))

	other := request(nil)["subject"].(obj)
	other["natural"].(obj)["given_name"] = "Somebody"
	w.problem(open("second-key-0123456789", "T2", obj{"subject": other}), 409, canon.CodeKeyReused, "/session")

	p := w.plan(obj{"procedure": "T3", "session": session, "requirements": wishes("T3")["requirements"]})
	if held := p["asks"].([]any)[0].(obj)["exchange"]; held != nil {
		t.Errorf("evidence of one procedure is offered to another: %v", held)
	}
	third := w.want(open("third-key-0123456789", "T3"), 202).json(t)["exchanges"].([]any)[0].(obj)
	if third["opened"] != true || third["id"] == first["id"] {
		t.Errorf("evidence of one procedure serves another: %v", third)
	}
}
