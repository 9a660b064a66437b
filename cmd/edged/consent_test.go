package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edged/internal/admin"
	"edged/internal/config/configtest"
)

// TestConsent runs testdata/consent. In the folder of each script an admin socket
// answers for a gateway that keeps three pairs.
func TestConsent(t *testing.T) {
	laid := configtest.Lay(t, minimal)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/consent",
		Setup: func(e *testscript.Env) error {
			ln, err := admin.ListenSocket(context.Background(), filepath.Join(e.WorkDir, "admin.sock"))
			if err != nil {
				return err
			}
			s := admin.ServeAdmin(ln, keeping(), slog.New(slog.DiscardHandler))
			e.Defer(func() { _ = s.Close(context.Background()) })
			return complete(e.WorkDir, laid)
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func keeping() admin.Funcs {
	pairs := make([]admin.Consent, 3)
	for i := range pairs {
		pairs[i] = admin.Consent{
			Local: fmt.Sprintf("user%d@contoso.com", i), Remote: "bob@jabber.example",
			Since: time.Date(2026, 1, 2, 3, 4, 5-i, 6, time.FixedZone("KST", 9*60*60)),
		}
	}
	return admin.Funcs{
		ListConsent: func(filter string, limit int) (found []admin.Consent) {
			for _, p := range pairs {
				if strings.Contains(p.Local+" "+p.Remote, filter) && len(found) < limit {
					found = append(found, p)
				}
			}
			return found
		},
		RemoveConsent: func(local, remote string) (bool, error) {
			if !strings.Contains(local, "@") {
				return false, errors.New(`"` + local + `" is not a user; write one such as alice@contoso.com`)
			}
			return local == pairs[0].Local && remote == pairs[0].Remote, nil
		},
	}
}
