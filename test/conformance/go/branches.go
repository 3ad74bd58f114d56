package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/postgres"
)

const dev = project + "/branches/dev"

func (s *suite) createBranch(id string, replace bool, spec *postgres.BranchSpec) (*postgres.Branch, error) {
	operation, err := s.owner.Postgres.CreateBranch(s.ctx, postgres.CreateBranchRequest{
		Parent: project, BranchId: id, ReplaceExisting: replace, Branch: postgres.Branch{Spec: spec},
	})
	return finished[postgres.Branch](s, operation, err)
}

func (s *suite) updateBranch(name, path string, spec *postgres.BranchSpec) (*postgres.Branch, error) {
	operation, err := s.owner.Postgres.UpdateBranch(s.ctx, postgres.UpdateBranchRequest{
		Name: name, Branch: postgres.Branch{Spec: spec}, UpdateMask: mask(path),
	})
	return finished[postgres.Branch](s, operation, err)
}

func (s *suite) deleteBranch(name string, purge bool) error {
	operation, err := s.owner.Postgres.DeleteBranch(s.ctx, postgres.DeleteBranchRequest{Name: name, Purge: purge})
	return gone(s, operation, err)
}

func (s *suite) branches() {
	s.method("CreateBranch", "without a source, with a ttl", func() error {
		created, err := s.createBranch("dev", false, &postgres.BranchSpec{Ttl: seconds(21600)})
		if err != nil {
			return err
		}
		status := created.Status
		life := status.ExpireTime.AsTime().Sub(created.CreateTime.AsTime()).Round(time.Second)
		return check(created.Name == dev && created.Spec == nil && status.SourceBranch == production &&
			status.SourceBranchLsn != "" && status.SourceBranchTime != nil && life == 6*time.Hour &&
			status.CurrentState == postgres.BranchStatusStateReady && status.PendingState == "", "%+v", status)
	})
	s.method("CreateBranch", "replace_existing keeps uid and create_time", func() error {
		before, err := s.owner.Postgres.GetBranch(s.ctx, postgres.GetBranchRequest{Name: dev})
		if err != nil {
			return err
		}
		after, err := s.createBranch("dev", true, &postgres.BranchSpec{NoExpiry: true})
		if err != nil {
			return err
		}
		return check(after.Uid == before.Uid && after.CreateTime.AsTime().Equal(before.CreateTime.AsTime()) &&
			after.Status.ExpireTime == nil, "%+v %+v", after, after.Status)
	})
	s.method("CreateBranch", "no expiration, a taken id and a foreign source refused", func() error {
		_, err := s.createBranch("none", false, &postgres.BranchSpec{})
		if err := refused(err, 400, "INVALID_PARAMETER_VALUE", "Expiration must be specified when creating a branch"); err != nil {
			return err
		}
		_, err = s.createBranch("dev", false, &postgres.BranchSpec{NoExpiry: true})
		if err := refused(err, 409, "ALREADY_EXISTS", "branch with such id already exists"); err != nil {
			return err
		}
		_, err = s.createBranch("far", false, &postgres.BranchSpec{Ttl: seconds(400 * 86400)})
		return refused(err, 400, "INVALID_PARAMETER_VALUE", "expiration time exceeds the maximum expiration time")
	})
	s.method("GetBranch", "", func() error {
		root, err := s.owner.Postgres.GetBranch(s.ctx, postgres.GetBranchRequest{Name: production})
		if err != nil {
			return err
		}
		return check(root.Status.Default && root.Status.SourceBranch == "" && root.Status.SourceBranchLsn == "" &&
			root.Status.ExpireTime == nil, "%+v", root.Status)
	})
	s.method("ListBranches", "over pages of one", func() error {
		all, err := allOf(s, s.owner.Postgres.ListBranches(s.ctx, postgres.ListBranchesRequest{Parent: project, PageSize: 1}))
		if err != nil {
			return err
		}
		return check(len(all) == 2, "%d branches", len(all))
	})
	s.changedBranches()
	s.deletedBranches()
}

func (s *suite) changedBranches() {
	s.method("UpdateBranch", "spec.expiration", func() error {
		updated, err := s.updateBranch(dev, "spec.expiration", &postgres.BranchSpec{Ttl: seconds(86400)})
		if err != nil {
			return err
		}
		return check(updated.Status.ExpireTime != nil, "%+v", updated.Status)
	})
	s.method("UpdateBranch", "spec.no_expiry as Bundles mask it", func() error {
		updated, err := s.updateBranch(dev, "spec.no_expiry", &postgres.BranchSpec{NoExpiry: true})
		if err != nil {
			return err
		}
		return check(updated.Status.ExpireTime == nil, "%+v", updated.Status)
	})
	s.method("UpdateBranch", "unknown paths refused", func() error {
		_, err := s.updateBranch(dev, "spec.nothing", &postgres.BranchSpec{NoExpiry: true})
		return refused(err, 400, "INVALID_PARAMETER_VALUE", "Unknown field path in update_mask")
	})
	s.method("UpdateBranch", "protect, a delete is refused, unprotect by an explicit false", func() error {
		if _, err := s.updateBranch(dev, "spec.is_protected", &postgres.BranchSpec{IsProtected: true}); err != nil {
			return err
		}
		if err := refused(s.deleteBranch(dev, false), 400, "BAD_REQUEST", "cannot delete protected branch"); err != nil {
			return err
		}
		updated, err := s.updateBranch(dev, "spec.is_protected", &postgres.BranchSpec{ForceSendFields: []string{"IsProtected"}})
		if err != nil {
			return err
		}
		return check(!updated.Status.IsProtected, "%+v", updated.Status)
	})
}

func (s *suite) deletedBranches() {
	s.method("DeleteBranch", "the root branch is MANAGED_BY_PARENT", func() error {
		return managedByParent(s.deleteBranch(production, false))
	})
	s.method("DeleteBranch", "", func() error {
		if _, err := s.createBranch("gone", false, &postgres.BranchSpec{Ttl: seconds(3600)}); err != nil {
			return err
		}
		if err := s.deleteBranch(project+"/branches/gone", false); err != nil {
			return err
		}
		_, err := s.owner.Postgres.GetBranch(s.ctx, postgres.GetBranchRequest{Name: project + "/branches/gone"})
		if !errors.Is(err, apierr.ErrNotFound) {
			return fmt.Errorf("a deleted branch is read: %v", err)
		}
		return nil
	})
	s.method("ListBranchesAll", "show_deleted", func() error {
		all, err := s.owner.Postgres.ListBranchesAll(s.ctx, postgres.ListBranchesRequest{Parent: project, ShowDeleted: true})
		if err != nil {
			return err
		}
		for _, each := range all {
			if each.BranchId == "gone" {
				return check(each.Status.CurrentState == postgres.BranchStatusStateDeleted &&
					each.Status.DeleteTime != nil && each.Status.PurgeTime != nil, "%+v", each.Status)
			}
		}
		return fmt.Errorf("the deleted branch is not in %d branches", len(all))
	})
	s.method("UndeleteBranch", "", func() error {
		operation, err := s.owner.Postgres.UndeleteBranch(s.ctx, postgres.UndeleteBranchRequest{Name: project + "/branches/gone"})
		if err := gone(s, operation, err); err != nil {
			return err
		}
		back, err := s.owner.Postgres.GetBranch(s.ctx, postgres.GetBranchRequest{Name: project + "/branches/gone"})
		if err != nil {
			return err
		}
		return check(back.Status.CurrentState == postgres.BranchStatusStateReady, "%+v", back.Status)
	})
	s.method("DeleteBranch", "purge frees the id at once", func() error {
		if err := s.deleteBranch(project+"/branches/gone", true); err != nil {
			return err
		}
		all, err := s.owner.Postgres.ListBranchesAll(s.ctx, postgres.ListBranchesRequest{Parent: project, ShowDeleted: true})
		if err != nil {
			return err
		}
		return check(len(all) == 2, "%d branches are left", len(all))
	})
}
