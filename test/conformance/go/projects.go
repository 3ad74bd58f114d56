package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/common/types/duration"
	"github.com/databricks/databricks-sdk-go/common/types/fieldmask"
	"github.com/databricks/databricks-sdk-go/experimental/api"
	"github.com/databricks/databricks-sdk-go/listing"
	"github.com/databricks/databricks-sdk-go/service/postgres"
)

const (
	projectID  = "go-sdk"
	project    = "projects/" + projectID
	production = project + "/branches/production"
	secondID   = "go-sdk-2"
)

// waiter is what every long-running method answers with.
type waiter[T any] interface {
	Wait(ctx context.Context, opts ...api.Option) (*T, error)
}

type emptyWaiter interface {
	Wait(ctx context.Context, opts ...api.Option) error
}

// finished waits for an operation that ends in a resource; it takes the answer of the SDK's method as it is.
func finished[T any, W waiter[T]](s *suite, operation W, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return operation.Wait(s.ctx)
}

func gone[W emptyWaiter](s *suite, operation W, err error) error {
	if err != nil {
		return err
	}
	return operation.Wait(s.ctx)
}

// allOf reads an iterator to its end.
func allOf[T any](s *suite, iterator listing.Iterator[T]) ([]T, error) {
	return listing.ToSlice(s.ctx, iterator)
}

func mask(paths ...string) fieldmask.FieldMask { return *fieldmask.New(paths) }

func seconds(n int) *duration.Duration { return duration.New(time.Duration(n) * time.Second) }

// refused is nil when the error is the one wanted: its HTTP status, its code, and a text in its message.
func refused(err error, status int, code, text string) error {
	var refusal *apierr.APIError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("not refused by the API: %v", err)
	}
	if refusal.StatusCode != status || refusal.ErrorCode != code || !strings.Contains(refusal.Message, text) {
		return fmt.Errorf("%d %s %q, not %d %s %q",
			refusal.StatusCode, refusal.ErrorCode, refusal.Message, status, code, text)
	}
	return nil
}

// managedByParent is the marker that declarative clients look for (api.md, 7.4).
func managedByParent(err error) error {
	if err := refused(err, 400, "BAD_REQUEST", ""); err != nil {
		return err
	}
	var refusal *apierr.APIError
	errors.As(err, &refusal)
	info := refusal.ErrorDetails().ErrorInfo
	return check(info != nil && info.Metadata["declarative_context"] == "MANAGED_BY_PARENT",
		"MANAGED_BY_PARENT in %+v", info)
}

func (s *suite) projects() {
	s.method("CreateProject", "", func() error {
		operation, err := s.owner.Postgres.CreateProject(s.ctx, postgres.CreateProjectRequest{
			ProjectId: projectID,
			Project: postgres.Project{
				Spec: &postgres.ProjectSpec{
					DisplayName:              "Go SDK",
					PgVersion:                17,
					HistoryRetentionDuration: seconds(172800),
					CustomTags:               []postgres.ProjectCustomTag{{Key: "team", Value: "go"}},
				},
				InitialEndpointSpec: &postgres.InitialEndpointSpec{
					AutoscalingLimitMinCu: 0.5, AutoscalingLimitMaxCu: 1, SuspendTimeoutDuration: seconds(600),
				},
			},
		})
		if err != nil {
			return err
		}
		metadata, err := operation.Metadata()
		if err != nil || metadata == nil {
			return fmt.Errorf("metadata %v, %v", metadata, err)
		}
		created, err := operation.Wait(s.ctx)
		if err != nil {
			return err
		}
		isDone, err := operation.Done()
		if err != nil || !isDone {
			return fmt.Errorf("done is %v after Wait: %v", isDone, err)
		}
		status := created.Status
		return check(created.Name == project && created.Spec == nil && status.DefaultBranch == production &&
			status.PgVersion == 17 && status.DisplayName == "Go SDK" && created.Uid != "" &&
			status.HistoryRetentionDuration.AsDuration() == 48*time.Hour &&
			status.BranchLogicalSizeLimitBytes > 0 && status.Owner != "", "%+v %+v", created, status)
	})
	s.method("CreateProject", "taken id and empty id refused", func() error {
		_, err := s.owner.Postgres.CreateProject(s.ctx, postgres.CreateProjectRequest{ProjectId: projectID})
		if err := refused(err, 409, "ALREADY_EXISTS", "project with such id already exists"); err != nil {
			return err
		}
		_, err = s.owner.Postgres.CreateProject(s.ctx, postgres.CreateProjectRequest{})
		return refused(err, 400, "INVALID_PARAMETER_VALUE",
			`Field 'project_id' is required, expected non-default value (not "")!`)
	})
	s.method("GetProject", "", func() error {
		read, err := s.owner.Postgres.GetProject(s.ctx, postgres.GetProjectRequest{Name: project})
		if err != nil {
			return err
		}
		return check(read.ProjectId == projectID && read.Status.SyntheticStorageSizeBytes == 0, "%+v", read)
	})
	s.method("GetProject", "absent is ErrNotFound with a trace id", func() error {
		_, err := s.owner.Postgres.GetProject(s.ctx, postgres.GetProjectRequest{Name: "projects/absent"})
		if !errors.Is(err, apierr.ErrNotFound) {
			return fmt.Errorf("not ErrNotFound: %v", err)
		}
		return refused(err, 404, "NOT_FOUND", "project id not found [TraceId: ")
	})
	s.method("UpdateProject", "leaf masks leave siblings", func() error {
		operation, err := s.owner.Postgres.UpdateProject(s.ctx, postgres.UpdateProjectRequest{
			Name:       project,
			Project:    postgres.Project{Spec: &postgres.ProjectSpec{DisplayName: "Renamed", HistoryRetentionDuration: seconds(604800)}},
			UpdateMask: mask("spec.display_name"),
		})
		updated, err := finished[postgres.Project](s, operation, err)
		if err != nil {
			return err
		}
		return check(updated.Status.DisplayName == "Renamed" &&
			updated.Status.HistoryRetentionDuration.AsDuration() == 48*time.Hour, "%+v", updated.Status)
	})
	s.listsOfProjects()
	s.deletedProjects()
}

func (s *suite) listsOfProjects() {
	s.method("ListProjects", "over pages of one", func() error {
		all, err := allOf(s, s.owner.Postgres.ListProjects(s.ctx, postgres.ListProjectsRequest{PageSize: 1}))
		if err != nil {
			return err
		}
		seen := 0
		for _, each := range all {
			if each.Name == project {
				seen++
			}
		}
		return check(seen == 1, "%s is listed %d times", project, seen)
	})
	s.method("ListProjectsAll", "", func() error {
		all, err := s.owner.Postgres.ListProjectsAll(s.ctx, postgres.ListProjectsRequest{})
		if err != nil {
			return err
		}
		return check(len(all) > 0, "%d projects", len(all))
	})
}

func (s *suite) listed(id string, showDeleted bool) (bool, error) {
	all, err := s.owner.Postgres.ListProjectsAll(s.ctx, postgres.ListProjectsRequest{ShowDeleted: showDeleted})
	for _, each := range all {
		if each.ProjectId == id {
			return true, err
		}
	}
	return false, err
}

func (s *suite) deletedProjects() {
	second := "projects/" + secondID
	s.method("DeleteProject", "", func() error {
		operation, err := s.owner.Postgres.CreateProject(s.ctx, postgres.CreateProjectRequest{ProjectId: secondID})
		if _, err := finished[postgres.Project](s, operation, err); err != nil {
			return err
		}
		deletion, err := s.owner.Postgres.DeleteProject(s.ctx, postgres.DeleteProjectRequest{Name: second})
		if err := gone(s, deletion, err); err != nil {
			return err
		}
		_, err = s.owner.Postgres.GetProject(s.ctx, postgres.GetProjectRequest{Name: second})
		if !errors.Is(err, apierr.ErrNotFound) {
			return fmt.Errorf("a deleted project is read: %v", err)
		}
		isListed, err := s.listed(secondID, false)
		if err != nil || isListed {
			return fmt.Errorf("a deleted project is listed: %v", err)
		}
		isListed, err = s.listed(secondID, true)
		if err != nil || !isListed {
			return fmt.Errorf("a deleted project is not listed with show_deleted: %v", err)
		}
		return nil
	})
	s.method("UndeleteProject", "", func() error {
		operation, err := s.owner.Postgres.UndeleteProject(s.ctx, postgres.UndeleteProjectRequest{Name: second})
		if err := gone(s, operation, err); err != nil {
			return err
		}
		read, err := s.owner.Postgres.GetProject(s.ctx, postgres.GetProjectRequest{Name: second})
		if err != nil {
			return err
		}
		return check(read.DeleteTime == nil, "%+v", read)
	})
	s.method("DeleteProject", "purge frees the id", func() error {
		deletion, err := s.owner.Postgres.DeleteProject(s.ctx, postgres.DeleteProjectRequest{Name: second, Purge: true})
		if err := gone(s, deletion, err); err != nil {
			return err
		}
		isListed, err := s.listed(secondID, true)
		if err != nil {
			return err
		}
		return check(!isListed, "%s is purged, but listed", second)
	})
}

func (s *suite) endOfProjects() {
	s.method("DeleteProject", "with all that is in it; its operation can still be read", func() error {
		deletion, err := s.owner.Postgres.DeleteProject(s.ctx, postgres.DeleteProjectRequest{Name: project, Purge: true})
		if err := gone(s, deletion, err); err != nil {
			return err
		}
		read, err := s.owner.Postgres.GetOperation(s.ctx, postgres.GetOperationRequest{Name: deletion.Name()})
		if err != nil {
			return err
		}
		return check(read.Done && read.Response != nil, "%+v", read)
	})
}
