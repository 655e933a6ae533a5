package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"oncegate/gateway/exchange"
)

// chromium is a real browser, spoken to in the DevTools protocol.
type chromium struct {
	t    *testing.T
	conn *websocket.Conn
	next int
	logs []string // what the browser complained about
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	// Not t.TempDir: helpers of the browser may write for a moment after it was killed.
	profile, err := os.MkdirTemp("", "oncegate-chromium-")
	fatal(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--ignore-certificate-errors", "--remote-debugging-port=0", "--remote-allow-origins=*",
		"--user-data-dir="+profile, "about:blank")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	fatal(t, err)
	fatal(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range 100 {
			if err = os.RemoveAll(profile); err == nil {
				return
			}
			<-tick.C
		}
		t.Errorf("removing the browser's profile: %v", err)
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, ws, ok := strings.Cut(lines.Text(), "DevTools listening on ws://"); ok {
			host, _, _ := strings.Cut(ws, "/")
			go func() {
				for lines.Scan() { // ends with the process
				}
			}()
			return attach(t, host)
		}
	}
	t.Skip("chromium does not start here")
	return nil
}

func attach(t *testing.T, host string) *chromium {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", "http://"+host+"/json/new?about:blank", nil)
	fatal(t, err)
	resp, err := http.DefaultClient.Do(req)
	fatal(t, err)
	defer resp.Body.Close()
	var target struct {
		URL string `json:"webSocketDebuggerUrl"`
	}
	fatal(t, json.NewDecoder(resp.Body).Decode(&target))
	conn, err := websocket.Dial(target.URL, "", "http://127.0.0.1/")
	fatal(t, err)
	t.Cleanup(func() { conn.Close() })
	c := &chromium{t: t, conn: conn}
	c.call("Log.enable", nil)
	c.call("Page.enable", nil)
	return c
}

type m = map[string]any

func (c *chromium) call(method string, params m) json.RawMessage {
	c.t.Helper()
	c.next++
	fatal(c.t, c.conn.SetDeadline(time.Now().Add(20*time.Second)))
	fatal(c.t, websocket.JSON.Send(c.conn, m{"id": c.next, "method": method, "params": params}))
	for {
		var got struct {
			ID     int
			Method string
			Params struct {
				Entry struct{ Source, Level, Text string }
			}
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		fatal(c.t, websocket.JSON.Receive(c.conn, &got))
		if e := got.Params.Entry; got.Method == "Log.entryAdded" && !strings.Contains(e.Text, "favicon") {
			c.logs = append(c.logs, e.Source+" "+e.Level+": "+e.Text)
		}
		if got.ID == c.next {
			if got.Error != nil {
				c.t.Fatalf("%s: %s", method, got.Error.Message)
			}
			return got.Result
		}
	}
}

// eval runs an expression of the test; the page's own scripts are switched off.
func (c *chromium) eval(expression string) any {
	c.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	fatal(c.t, json.Unmarshal(c.call("Runtime.evaluate", m{"expression": expression, "returnByValue": true}), &r))
	if r.ExceptionDetails != nil {
		c.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	return r.Result.Value
}

// until waits for a page that says so.
func (c *chromium) until(says string) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if s, _ := c.eval(`document.readyState == "complete" && document.body ? document.body.innerText : ""`).(string); strings.Contains(s, says) {
			return
		}
		<-tick.C
	}
	c.t.Fatalf("no page says %q; the browser is at %v:\n%v\n%v", says, c.eval("location.href"), c.eval("document.body.innerText"), c.logs)
}

func (c *chromium) press(key string) {
	c.t.Helper()
	text, code := "", map[string]int{"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}[key]
	if key == "Enter" {
		text = "\r"
	} else if key == " " {
		text = " "
	}
	c.call("Input.dispatchKeyEvent", m{"type": "keyDown", "key": key, "code": strings.ReplaceAll(key, " ", "Space"), "windowsVirtualKeyCode": code, "text": text})
	c.call("Input.dispatchKeyEvent", m{"type": "keyUp", "key": key, "code": strings.ReplaceAll(key, " ", "Space"), "windowsVirtualKeyCode": code})
}

// tabTo presses the tabulator until the control with this text or id has the
// focus, and checks that the focus can be seen.
func (c *chromium) tabTo(name string) {
	c.t.Helper()
	for range 60 {
		c.press("Tab")
		if c.eval(fmt.Sprintf(`(e => e.id == %[1]q || e.textContent.trim() == %[1]q)(document.activeElement)`, name)) == true {
			if c.eval(`parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2`) != true {
				c.t.Errorf("the focus on %s cannot be seen (WCAG 2.4.7)", name)
			}
			return
		}
	}
	c.t.Fatalf("the keyboard does not reach %q", name)
}

// reads checks the page as it is drawn: it fits 320 pixels (WCAG 1.4.10) and its
// text stands out from its ground (1.4.3).
func (c *chromium) reads(what string) {
	c.t.Helper()
	if w := c.eval(`document.documentElement.scrollWidth`); w.(float64) > 320 {
		c.t.Errorf("%s is %v pixels wide on a screen of 320", what, w)
	}
	if faint := c.eval(contrast); faint != "" {
		c.t.Errorf("%s: too little contrast: %v", what, faint)
	}
}

const contrast = `(() => {
  const rgb = s => s.match(/[\d.]+/g).map(Number);
  const lum = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
  const out = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility()) continue;
    const a = lum(rgb(getComputedStyle(e).color)), b = lum(ground(e));
    if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5) out.push(e.tagName + " " + walk.currentNode.data.trim().slice(0, 40));
  }
  return out.join("; ");
})()`

// The whole way in a real browser: no script runs in the page, no mouse is used,
// the screen is the narrowest of WCAG, in light and in dark.
func TestByKeyboardWithoutScriptOnAPhone(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			c := startChromium(t)
			w := newWorld(t)
			w.docs = twoDocuments
			id, location := w.ask()
			w.askAgain(id, back1)
			c.call("Emulation.setDeviceMetricsOverride", m{"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true})
			c.call("Emulation.setEmulatedMedia", m{"features": []m{{"name": "prefers-color-scheme", "value": scheme}}})
			c.call("Emulation.setLocaleOverride", m{"locale": "en"})
			c.call("Emulation.setScriptExecutionDisabled", m{"value": true})

			c.call("Page.navigate", m{"url": location})
			c.until("Identify yourself")
			c.reads("the first page")
			c.tabTo("Identify yourself")
			c.press("Enter")
			c.until("Decide what is sent")
			c.reads("the evidence")
			for _, d := range []string{"approve-1", "decline-2"} {
				// Radio buttons are one stop of the tabulator; arrows choose.
				c.tabTo(strings.Replace(d, "decline", "approve", 1))
				c.press(" ")
				if strings.HasPrefix(d, "decline") {
					c.press("ArrowDown")
				}
				if c.eval(fmt.Sprintf(`document.getElementById(%q).checked`, d)) != true {
					t.Fatalf("the keyboard does not choose %s", d)
				}
			}
			c.tabTo("Confirm my answers")
			c.press("Enter")
			c.until("Your decision is recorded")
			c.reads("the last page")
			if got := w.conversation(id); got.Outcome != exchange.Delivered || !got.Decisions[0].Approved || got.Decisions[1].Approved {
				t.Errorf("decision: %s %v", got.Outcome, got.Decisions)
			}
			for _, l := range c.logs {
				t.Errorf("the browser complains: %s", l)
			}
		})
	}
}
