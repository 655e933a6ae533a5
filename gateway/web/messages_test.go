package web

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"oncegate/gateway/messages/messagestest"
	"oncegate/schemas/canon"
)

func TestAnOperatorLooksAtMessages(t *testing.T) {
	w := newOperatorWorld(t)
	get := func(path string) page { return w.get("/operator"+path, "anna", operatorToken) }
	get("/messages").want(t, 200, "No message matches", "SEND_FAILURE")
	failed := messagestest.Sample(1, messagestest.State(canon.MessageSendFailure, time.Minute), func(n *canon.MessageNote) {
		n.Code, n.Error, n.Attempts = canon.CodePeerUnreachable, "EBMS:0301", 5
	})
	odd := messagestest.Sample(2, messagestest.Inward, func(n *canon.MessageNote) { n.AS4 = `<b>"x"/../?&@peer` })
	fatal(t, w.messages.Note(t.Context(), messagestest.Sample(1), failed, odd, messagestest.Sample(3, messagestest.State(canon.MessageAcknowledged, 0))))

	all := get("/messages").want(t, 200, failed.AS4, "&lt;b&gt;", "RECEIVED", "ACKNOWLEDGED", "EBMS:0301", "AP_LV_01")
	all.wantNot(t, `<b>"x"`)
	get("/messages?state=SEND_FAILURE&direction=out").want(t, 200, failed.AS4, "selected").wantNot(t, "&lt;b&gt;")
	get("/messages?peer=nobody").want(t, 200, "No message matches", `value="nobody"`)
	get("/messages?state=LOST").want(t, http.StatusBadRequest)
	get("/messages?cursor=x").want(t, http.StatusBadRequest)

	get("/messages/"+url.PathEscape(failed.AS4)).want(t, 200, "History", "SEND_IN_PROGRESS", "OG-AS4-0001 EBMS:0301",
		"/operator/exchanges/"+string(failed.Conversation), "the message is repeated.", "05:07:08", "oncegate message resend")
	get("/messages/"+url.PathEscape(odd.AS4)).want(t, 200, "RECEIVED").wantNot(t, "oncegate message resend")
	get("/messages?as4="+url.QueryEscape(odd.AS4)).want(t, 200, "History")
	get("/messages/nobody").want(t, http.StatusNotFound)
	w.get("/operator/messages", "", "").want(t, http.StatusUnauthorized)

	for i := range messageRows + 20 {
		fatal(t, w.messages.Note(t.Context(), messagestest.Sample(100+i)))
	}
	get("/messages?state=SEND_IN_PROGRESS").want(t, 200, "Older messages", "state=SEND_IN_PROGRESS")
}
