// The Databricks SDK for Go, unmodified, with pgx for SQL: the same proof as ../proof.mjs.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/common/types/duration"
	"github.com/databricks/databricks-sdk-go/common/types/fieldmask"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	"github.com/jackc/pgx/v5"
)

var (
	project    = "projects/" + os.Getenv("PROJECT")
	production = project + "/branches/production"
)

// identity is one caller of the API, with its login for Postgres.
type identity struct {
	client *databricks.WorkspaceClient
	login  string
}

func newIdentity(ctx context.Context, token string) (*identity, error) {
	client, err := databricks.NewWorkspaceClient(&databricks.Config{
		Host:  os.Getenv("DATABRICKS_HOST"),
		Token: token,
	})
	if err != nil {
		return nil, err
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		return nil, err
	}
	return &identity{client: client, login: me.UserName}, nil
}

func (i *identity) createBranch(ctx context.Context, id, source string, ttl time.Duration) (string, error) {
	operation, err := i.client.Postgres.CreateBranch(ctx, postgres.CreateBranchRequest{
		Parent:   project,
		BranchId: id,
		Branch:   postgres.Branch{Spec: &postgres.BranchSpec{SourceBranch: source, Ttl: duration.New(ttl)}},
	})
	if err != nil {
		return "", err
	}
	branch, err := operation.Wait(ctx)
	if err != nil {
		return "", err
	}
	life := branch.Status.ExpireTime.AsTime().Sub(branch.CreateTime.AsTime()).Round(time.Second)
	if branch.Status.CurrentState != postgres.BranchStatusStateReady || life != ttl {
		return "", fmt.Errorf("branch %s is %s and lives %s", id, branch.Status.CurrentState, life)
	}
	return branch.Name, nil
}

func (i *identity) deleteBranch(ctx context.Context, name string) error {
	operation, err := i.client.Postgres.DeleteBranch(ctx, postgres.DeleteBranchRequest{Name: name})
	if err != nil {
		return err
	}
	return operation.Wait(ctx)
}

func (i *identity) connect(ctx context.Context, branch string) (*pgx.Conn, error) {
	endpoint, err := i.client.Postgres.GetEndpoint(ctx, postgres.GetEndpointRequest{Name: branch + "/endpoints/primary"})
	if err != nil {
		return nil, err
	}
	credential, err := i.client.Postgres.GenerateDatabaseCredential(ctx, postgres.GenerateDatabaseCredentialRequest{
		Endpoint: endpoint.Name,
	})
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(fmt.Sprintf(
		"host=%s port=%s dbname=databricks_postgres sslmode=verify-full sslrootcert='%s'",
		endpoint.Status.Hosts.Host, os.Getenv("PGPORT"), os.Getenv("PGSSLROOTCERT"),
	))
	if err != nil {
		return nil, err
	}
	config.User, config.Password = i.login, credential.Token
	return pgx.ConnectConfig(ctx, config)
}

// onBranch runs SQL statements as this identity; the last one's first value must be want, unless nil.
func (i *identity) onBranch(ctx context.Context, branch string, want any, statements ...string) error {
	connection, err := i.connect(ctx, branch)
	if err != nil {
		return fmt.Errorf("connect to %s as %s: %w", branch, i.login, err)
	}
	defer connection.Close(ctx)
	for n, statement := range statements {
		if want == nil || n < len(statements)-1 {
			if _, err := connection.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s as %s: %w", statement, i.login, err)
			}
			continue
		}
		var got any
		if err := connection.QueryRow(ctx, statement).Scan(&got); err != nil {
			return fmt.Errorf("%s as %s: %w", statement, i.login, err)
		}
		if got != want {
			return fmt.Errorf("%s as %s: %v, not %v", statement, i.login, got, want)
		}
	}
	return nil
}

func prove(ctx context.Context, owner, other *identity) error {
	const absent = "SELECT to_regclass('public.proof_go') IS NULL"
	branch, err := owner.createBranch(ctx, "go-sdk", production, 600*time.Second)
	if err != nil {
		return err
	}
	err = owner.onBranch(ctx, branch, owner.login,
		"CREATE TABLE proof_go (id bigint PRIMARY KEY, note text)",
		"INSERT INTO proof_go SELECT n, 'note' FROM generate_series(1, 3) AS n",
		"SELECT current_user::text")
	if err != nil {
		return err
	}
	fork, err := other.createBranch(ctx, "go-sdk-fork", branch, 300*time.Second)
	if err != nil {
		return err
	}
	err = other.onBranch(ctx, fork, true,
		"ALTER TABLE proof_go ADD COLUMN forked integer",
		"DROP TABLE proof_go",
		absent)
	if err != nil {
		return err
	}
	if err := owner.onBranch(ctx, branch, int64(3), "SELECT count(*) FROM proof_go"); err != nil {
		return err
	}
	if err := owner.onBranch(ctx, production, true, absent); err != nil {
		return err
	}
	if err := theRest(ctx, owner, branch); err != nil {
		return err
	}
	if err := other.deleteBranch(ctx, fork); err != nil {
		return err
	}
	return owner.deleteBranch(ctx, branch)
}

// theRest: a list, an update with a mask, and the errors that programs look for.
func theRest(ctx context.Context, owner *identity, branch string) error {
	branches, err := owner.client.Postgres.ListBranchesAll(ctx, postgres.ListBranchesRequest{Parent: project})
	if err != nil {
		return err
	}
	var names []string
	for _, each := range branches {
		names = append(names, each.Name)
	}
	if !strings.Contains(strings.Join(names, "\n")+"\n", branch+"\n") {
		return fmt.Errorf("%s is not in the list %v", branch, names)
	}
	update, err := owner.client.Postgres.UpdateBranch(ctx, postgres.UpdateBranchRequest{
		Name:       branch,
		Branch:     postgres.Branch{Spec: &postgres.BranchSpec{Ttl: duration.New(900 * time.Second)}},
		UpdateMask: *fieldmask.New([]string{"spec.expiration"}),
	})
	if err != nil {
		return err
	}
	if _, err := update.Wait(ctx); err != nil {
		return err
	}
	_, err = owner.client.Postgres.GetBranch(ctx, postgres.GetBranchRequest{Name: project + "/branches/absent"})
	if !errors.Is(err, apierr.ErrNotFound) {
		return fmt.Errorf("an absent branch is not found, but: %v", err)
	}
	_, err = owner.client.Postgres.CreateBranch(ctx, postgres.CreateBranchRequest{
		Parent: project, BranchId: "go-none", Branch: postgres.Branch{Spec: &postgres.BranchSpec{}},
	})
	if err == nil || !strings.Contains(err.Error(), "Expiration must be specified when creating a branch") {
		return fmt.Errorf("a branch without an expiration is refused, but: %v", err)
	}
	return nil
}

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	owner, err := newIdentity(ctx, os.Getenv("DATABRICKS_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	other, err := newIdentity(ctx, os.Getenv("OTHER_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	if err := prove(ctx, owner, other); err != nil {
		log.Fatal(err)
	}
}
