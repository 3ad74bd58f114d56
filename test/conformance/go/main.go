// The Databricks SDK for Go, unmodified: every method of its Postgres service with its waiter, and what
// programs do around them: identities, tokens, permissions, OAuth. Each is one row in ROWS_FILE.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/logger"
)

// suite is one run: its caller, and the rows so far.
type suite struct {
	ctx    context.Context
	owner  *databricks.WorkspaceClient
	login  string
	rows   *os.File
	called map[string]bool
}

// row does the work and reports it; a failure or a panic is a row, and the next one is done all the same.
func (s *suite) row(what string, work func() error) {
	result := map[string]string{"what": what, "result": "pass"}
	if err := guarded(work); err != nil {
		result["result"], result["reason"] = "fail", err.Error()
	}
	line, err := json.Marshal(result)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := fmt.Fprintf(s.rows, "%s\n", line); err != nil {
		log.Fatal(err)
	}
}

// method is a row about a method of the Postgres service, which is then known as called.
func (s *suite) method(name, what string, work func() error) {
	s.called[name] = true
	if what != "" {
		what = ", " + what
	}
	s.row(name+what, work)
}

func guarded(work func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return work()
}

func check(isTrue bool, format string, args ...any) error {
	if isTrue {
		return nil
	}
	return fmt.Errorf("not so: "+format, args...)
}

// everyMethod is a row that fails when the SDK has a Postgres method that no row called.
func (s *suite) everyMethod() {
	s.row("every method of the service is in this table", func() error {
		service := reflect.TypeOf(s.owner.Postgres)
		for i := range service.NumMethod() {
			if name := service.Method(i).Name; !s.called[name] {
				return fmt.Errorf("no row calls %s", name)
			}
		}
		return nil
	})
}

func main() {
	log.SetFlags(0)
	logger.DefaultLogger = &logger.SimpleLogger{Level: logger.LevelError}
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
	defer cancel()
	rows, err := os.OpenFile(os.Getenv("ROWS_FILE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	owner, err := databricks.NewWorkspaceClient(&databricks.Config{
		Host:  os.Getenv("DATABRICKS_HOST"),
		Token: os.Getenv("DATABRICKS_TOKEN"),
	})
	if err != nil {
		log.Fatal(err)
	}
	s := &suite{ctx: ctx, owner: owner, rows: rows, called: map[string]bool{}}
	s.gettingIn()
	s.projects()
	s.branches()
	s.endpoints()
	s.roles()
	s.databases()
	s.credentials()
	s.lakehouse()
	s.permissions()
	s.endOfProjects()
	s.everyMethod()
	s.identities()
	s.tokens()
	s.oauth()
}
