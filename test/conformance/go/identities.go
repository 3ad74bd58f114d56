package main

import (
	"errors"
	"fmt"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/iam"
)

func (s *suite) gettingIn() {
	s.row("CurrentUser.Me", func() error {
		me, err := s.owner.CurrentUser.Me(s.ctx, iam.MeRequest{})
		if err != nil {
			return err
		}
		s.login = me.UserName
		return check(me.UserName != "" && me.Id != "" && me.Active, "%+v", me)
	})
	s.row("CurrentWorkspaceID, from the header of Me", func() error {
		id, err := s.owner.CurrentWorkspaceID(s.ctx)
		if err != nil {
			return err
		}
		if s.owner.Config.WorkspaceID == "" {
			return errors.New("databricks-config tells no workspace id")
		}
		return check(fmt.Sprint(id) == s.owner.Config.WorkspaceID, "%d is %s", id, s.owner.Config.WorkspaceID)
	})
	s.row("a wrong token is ErrUnauthenticated", func() error {
		stranger, err := clientWith("not-a-token")
		if err != nil {
			return err
		}
		_, err = stranger.CurrentUser.Me(s.ctx, iam.MeRequest{})
		if !errors.Is(err, apierr.ErrUnauthenticated) {
			return fmt.Errorf("not ErrUnauthenticated: %v", err)
		}
		return nil
	})
}

const patchOp = iam.PatchSchemaUrnIetfParamsScimApiMessages20PatchOp

func renamed(id, name string) iam.PartialUpdate {
	return iam.PartialUpdate{Id: id, Schemas: []iam.PatchSchema{patchOp}, Operations: []iam.Patch{
		{Op: iam.PatchOpReplace, Path: "displayName", Value: name},
	}}
}

// notFound is nil when the error says so.
func notFound(err error) error {
	if errors.Is(err, apierr.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("not ErrNotFound: %v", err)
}

func (s *suite) identities() {
	user := s.users()
	s.servicePrincipals()
	s.groups(user)
	s.row("Users.Delete", func() error {
		if err := s.owner.Users.Delete(s.ctx, iam.DeleteUserRequest{Id: user}); err != nil {
			return err
		}
		_, err := s.owner.Users.Get(s.ctx, iam.GetUserRequest{Id: user})
		return notFound(err)
	})
}

func (s *suite) users() (id string) {
	const login = "go.sdk@example.com"
	s.row("Users.Create", func() error {
		created, err := s.owner.Users.Create(s.ctx, iam.User{UserName: login, DisplayName: "Go"})
		if err != nil {
			return err
		}
		id = created.Id
		return check(created.UserName == login && id != "", "%+v", created)
	})
	s.row("Users.Get", func() error {
		read, err := s.owner.Users.Get(s.ctx, iam.GetUserRequest{Id: id})
		if err != nil {
			return err
		}
		return check(read.UserName == login && read.Active, "%+v", read)
	})
	s.row("Users.List, filter userName eq", func() error {
		all, err := s.owner.Users.ListAll(s.ctx, iam.ListUsersRequest{Filter: `userName eq "` + login + `"`})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].Id == id, "%+v", all)
	})
	s.row("Users.List, to its end", func() error {
		all, err := allOf(s, s.owner.Users.List(s.ctx, iam.ListUsersRequest{Count: 1}))
		if err != nil {
			return err
		}
		return check(len(all) >= 2, "%d users", len(all))
	})
	s.row("Users.Patch", func() error {
		if err := s.owner.Users.Patch(s.ctx, renamed(id, "Gopher")); err != nil {
			return err
		}
		read, err := s.owner.Users.Get(s.ctx, iam.GetUserRequest{Id: id})
		if err != nil {
			return err
		}
		return check(read.DisplayName == "Gopher", "%+v", read)
	})
	s.row("Users.Update", func() error {
		if err := s.owner.Users.Update(s.ctx, iam.User{Id: id, UserName: login, DisplayName: "Whole", Active: true}); err != nil {
			return err
		}
		read, err := s.owner.Users.Get(s.ctx, iam.GetUserRequest{Id: id})
		if err != nil {
			return err
		}
		return check(read.DisplayName == "Whole" && read.Active, "%+v", read)
	})
	return id
}

func (s *suite) servicePrincipals() {
	var id string
	s.row("ServicePrincipals.Create", func() error {
		created, err := s.owner.ServicePrincipals.Create(s.ctx, iam.ServicePrincipal{DisplayName: "go-app"})
		if err != nil {
			return err
		}
		id = created.Id
		return check(created.ApplicationId != "" && created.DisplayName == "go-app", "%+v", created)
	})
	s.row("ServicePrincipals.Get", func() error {
		read, err := s.owner.ServicePrincipals.Get(s.ctx, iam.GetServicePrincipalRequest{Id: id})
		if err != nil {
			return err
		}
		return check(read.ApplicationId != "", "%+v", read)
	})
	s.row("ServicePrincipals.List, filter displayName eq", func() error {
		all, err := s.owner.ServicePrincipals.ListAll(s.ctx, iam.ListServicePrincipalsRequest{Filter: `displayName eq "go-app"`})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].Id == id, "%+v", all)
	})
	s.row("ServicePrincipals.Patch", func() error {
		if err := s.owner.ServicePrincipals.Patch(s.ctx, renamed(id, "go-app-2")); err != nil {
			return err
		}
		read, err := s.owner.ServicePrincipals.Get(s.ctx, iam.GetServicePrincipalRequest{Id: id})
		if err != nil {
			return err
		}
		return check(read.DisplayName == "go-app-2", "%+v", read)
	})
	s.row("ServicePrincipals.Update", func() error {
		read, err := s.owner.ServicePrincipals.Get(s.ctx, iam.GetServicePrincipalRequest{Id: id})
		if err != nil {
			return err
		}
		read.DisplayName = "go-app-3"
		return s.owner.ServicePrincipals.Update(s.ctx, *read)
	})
	s.row("ServicePrincipals.Delete", func() error {
		if err := s.owner.ServicePrincipals.Delete(s.ctx, iam.DeleteServicePrincipalRequest{Id: id}); err != nil {
			return err
		}
		_, err := s.owner.ServicePrincipals.Get(s.ctx, iam.GetServicePrincipalRequest{Id: id})
		return notFound(err)
	})
}

func (s *suite) groups(member string) {
	var id string
	read := func() (*iam.Group, error) { return s.owner.Groups.Get(s.ctx, iam.GetGroupRequest{Id: id}) }
	s.row("Groups.Create", func() error {
		created, err := s.owner.Groups.Create(s.ctx, iam.Group{DisplayName: "go-team"})
		if err != nil {
			return err
		}
		id = created.Id
		return check(created.DisplayName == "go-team" && id != "", "%+v", created)
	})
	s.row("Groups.Get and List, filter displayName eq", func() error {
		if _, err := read(); err != nil {
			return err
		}
		all, err := s.owner.Groups.ListAll(s.ctx, iam.ListGroupsRequest{Filter: `displayName eq "go-team"`})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].Id == id, "%+v", all)
	})
	s.row("Groups.Patch, add and remove a member", func() error {
		members := []iam.ComplexValue{{Value: member}}
		add := iam.PartialUpdate{Id: id, Schemas: []iam.PatchSchema{patchOp}, Operations: []iam.Patch{
			{Op: iam.PatchOpAdd, Path: "members", Value: members},
		}}
		if err := s.owner.Groups.Patch(s.ctx, add); err != nil {
			return err
		}
		with, err := read()
		if err != nil {
			return err
		}
		if err := check(len(with.Members) == 1 && with.Members[0].Value == member, "%+v", with); err != nil {
			return err
		}
		remove := iam.PartialUpdate{Id: id, Schemas: []iam.PatchSchema{patchOp}, Operations: []iam.Patch{
			{Op: iam.PatchOpRemove, Path: `members[value eq "` + member + `"]`},
		}}
		if err := s.owner.Groups.Patch(s.ctx, remove); err != nil {
			return err
		}
		without, err := read()
		if err != nil {
			return err
		}
		return check(len(without.Members) == 0, "%+v", without)
	})
	s.row("Groups.Update, replaces the members", func() error {
		whole := iam.Group{Id: id, DisplayName: "go-team", Members: []iam.ComplexValue{{Value: member}}}
		if err := s.owner.Groups.Update(s.ctx, whole); err != nil {
			return err
		}
		updated, err := read()
		if err != nil {
			return err
		}
		return check(len(updated.Members) == 1, "%+v", updated)
	})
	s.row("Groups.Delete", func() error {
		if err := s.owner.Groups.Delete(s.ctx, iam.DeleteGroupRequest{Id: id}); err != nil {
			return err
		}
		_, err := read()
		return notFound(err)
	})
}
