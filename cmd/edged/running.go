package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/verdict"
)

// runningFlags are shared by the commands that ask the running gateway.
type runningFlags struct {
	configFlag
	Socket  string        `placeholder:"PATH" help:"The admin socket of the running gateway (default: admin.socket of the configuration)."`
	Timeout time.Duration `default:"30s" help:"How long to wait for the answer."`
}

// socket is where the running gateway answers.
func (f *runningFlags) socket() (string, error) {
	if f.Socket != "" {
		return f.Socket, nil
	}
	socket, err := config.AdminSocket(f.Config)
	if err == nil && socket == "" {
		err = fmt.Errorf("%s: admin.socket is not set; set it and start edged again (a SIGHUP reloads without)", f.Config)
	}
	return socket, err
}

// ask asks the running gateway, through its admin socket.
func (f *runningFlags) ask(ctx context.Context, method, path string) ([]byte, error) {
	socket, err := f.socket()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	return admin.Call(ctx, socket, method, path)
}

// do lets the running gateway do something, and prints what it says.
func (f *runningFlags) do(ctx context.Context, method, path string) error {
	answer, err := f.ask(ctx, method, path)
	if err != nil {
		return err
	}
	fmt.Print(string(answer))
	return nil
}

// listFlags are shared by the commands that list what the running gateway knows.
type listFlags struct {
	runningFlags
	JSON bool `help:"Print what the gateway answers: a JSON array."`
}

// table is how a list is printed for people.
type table[T any] struct {
	header string // columns, with tabs between; "" prints none
	empty  string // in place of a table without rows; "" prints nothing
	keep   func(T) bool
	row    func(T) string // columns, with tabs between
}

// list asks for a list and prints it. It returns how many rows there were.
func list[T any](ctx context.Context, f *listFlags, path string, t table[T]) (int, error) {
	answer, err := f.ask(ctx, "GET", path)
	if err != nil {
		return 0, err
	}
	var all []T
	if err := json.Unmarshal(answer, &all); err != nil {
		return 0, fmt.Errorf("the answer cannot be read; is edged of the same version? %w", err)
	}
	if t.keep != nil {
		kept := []T{}
		for _, v := range all {
			if t.keep(v) {
				kept = append(kept, v)
			}
		}
		all = kept
	}
	if f.JSON {
		return len(all), writeJSON(os.Stdout, all)
	}
	return len(all), t.print(all)
}

func (t *table[T]) print(all []T) error {
	if len(all) == 0 {
		if t.empty != "" {
			fmt.Println(t.empty)
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if t.header != "" {
		fmt.Fprintln(w, t.header)
	}
	for _, v := range all {
		cells := strings.Split(t.row(v), "\t")
		for i, cell := range cells {
			cells[i] = verdict.Printable(cell)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// orDash is a column that must not be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// short joins a list for a column, up to so many.
func short(all []string, most int) string {
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return orDash(strings.Join(all, ", "))
}
