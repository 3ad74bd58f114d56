package main

import (
	"errors"
	"fmt"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/postgres"
)

const (
	appRole     = dev + "/roles/app-owner"
	appDatabase = dev + "/databases/my-database"
)

func (s *suite) createRole(parent, id string, replace bool, spec *postgres.RoleRoleSpec) (*postgres.Role, error) {
	operation, err := s.owner.Postgres.CreateRole(s.ctx, postgres.CreateRoleRequest{
		Parent: parent, RoleId: id, ReplaceExisting: replace, Role: postgres.Role{Spec: spec},
	})
	return finished[postgres.Role](s, operation, err)
}

func (s *suite) deleteRole(name, heir string) error {
	operation, err := s.owner.Postgres.DeleteRole(s.ctx, postgres.DeleteRoleRequest{Name: name, ReassignOwnedTo: heir})
	return gone(s, operation, err)
}

func (s *suite) roles() {
	superuser := []postgres.RoleMembershipRole{postgres.RoleMembershipRoleDatabricksSuperuser}
	s.method("CreateRole", "plain, with a given id", func() error {
		created, err := s.createRole(dev, "app-owner", false, &postgres.RoleRoleSpec{PostgresRole: "app_owner"})
		if err != nil {
			return err
		}
		status := created.Status
		return check(created.Name == appRole && status.PostgresRole == "app_owner" &&
			status.IdentityType == "IDENTITY_TYPE_UNSPECIFIED" && status.Attributes != nil &&
			status.AuthMethod == postgres.RoleAuthMethodPgPasswordScramSha256, "%+v", status)
	})
	s.method("CreateRole", "the server makes the id when none is given", func() error {
		created, err := s.createRole(dev, "", false, &postgres.RoleRoleSpec{
			PostgresRole: "no_id", AuthMethod: postgres.RoleAuthMethodNoLogin,
		})
		if err != nil {
			return err
		}
		if err := check(created.RoleId != "" && created.Status.AuthMethod == postgres.RoleAuthMethodNoLogin,
			"%+v", created.Status); err != nil {
			return err
		}
		return s.deleteRole(created.Name, "")
	})
	s.method("CreateRole", "a taken one is 400 BAD_REQUEST", func() error {
		_, err := s.createRole(dev, "app-owner", false, &postgres.RoleRoleSpec{PostgresRole: "app_owner"})
		return refused(err, 400, "BAD_REQUEST", "role with that name already exists")
	})
	s.method("CreateRole", "replace_existing replaces the whole spec", func() error {
		spec := &postgres.RoleRoleSpec{PostgresRole: "app_owner", MembershipRoles: superuser}
		with, err := s.createRole(dev, "app-owner", true, spec)
		if err != nil {
			return err
		}
		without, err := s.createRole(dev, "app-owner", true, &postgres.RoleRoleSpec{PostgresRole: "app_owner"})
		if err != nil {
			return err
		}
		return check(len(with.Status.MembershipRoles) == 1 && len(without.Status.MembershipRoles) == 0,
			"%+v then %+v", with.Status, without.Status)
	})
	s.method("GetRole", "", func() error {
		read, err := s.owner.Postgres.GetRole(s.ctx, postgres.GetRoleRequest{Name: appRole})
		if err != nil {
			return err
		}
		_, err = s.owner.Postgres.GetRole(s.ctx, postgres.GetRoleRequest{Name: dev + "/roles/absent"})
		if err := refused(err, 404, "NOT_FOUND", "role id not found"); err != nil {
			return err
		}
		return check(read.Spec == nil && read.RoleId == "app-owner", "%+v", read)
	})
	s.method("ListRoles", "over pages of one, the implicit owner among them", func() error {
		all, err := allOf(s, s.owner.Postgres.ListRoles(s.ctx, postgres.ListRolesRequest{Parent: dev, PageSize: 1}))
		if err != nil {
			return err
		}
		for _, each := range all {
			if each.Status.PostgresRole == s.login {
				return check(each.Status.IdentityType == postgres.RoleIdentityTypeUser &&
					each.Status.AuthMethod == postgres.RoleAuthMethodLakebaseOauthV1, "%+v", each.Status)
			}
		}
		return fmt.Errorf("no role of %s in %+v", s.login, all)
	})
	s.method("ListRolesAll", "", func() error {
		all, err := s.owner.Postgres.ListRolesAll(s.ctx, postgres.ListRolesRequest{Parent: dev})
		if err != nil {
			return err
		}
		return check(len(all) >= 2, "%d roles", len(all))
	})
	s.changedRoles(superuser)
}

func (s *suite) changedRoles(superuser []postgres.RoleMembershipRole) {
	update := func(path string, spec *postgres.RoleRoleSpec) (*postgres.Role, error) {
		operation, err := s.owner.Postgres.UpdateRole(s.ctx, postgres.UpdateRoleRequest{
			Name: appRole, Role: postgres.Role{Spec: spec}, UpdateMask: mask(path),
		})
		return finished[postgres.Role](s, operation, err)
	}
	s.method("UpdateRole", "an attribute leaves its siblings; memberships", func() error {
		spec := &postgres.RoleRoleSpec{
			PostgresRole: "app_owner", MembershipRoles: superuser,
			Attributes: &postgres.RoleAttributes{Createdb: true, Createrole: true},
		}
		if _, err := update("spec.attributes.createdb", spec); err != nil {
			return err
		}
		updated, err := update("spec.membership_roles", spec)
		if err != nil {
			return err
		}
		status := updated.Status
		return check(status.Attributes.Createdb && !status.Attributes.Createrole && len(status.MembershipRoles) == 1,
			"%+v %+v", status, status.Attributes)
	})
	s.method("UpdateRole", "an immutable path refused", func() error {
		_, err := update("spec.postgres_role", &postgres.RoleRoleSpec{PostgresRole: "renamed"})
		return refused(err, 400, "INVALID_PARAMETER_VALUE", "Unknown field path in update_mask")
	})
}

func (s *suite) createDatabase(id string, replace bool, spec *postgres.DatabaseDatabaseSpec) (*postgres.Database, error) {
	operation, err := s.owner.Postgres.CreateDatabase(s.ctx, postgres.CreateDatabaseRequest{
		Parent: dev, DatabaseId: id, ReplaceExisting: replace, Database: postgres.Database{Spec: spec},
	})
	return finished[postgres.Database](s, operation, err)
}

func (s *suite) databases() {
	spec := &postgres.DatabaseDatabaseSpec{PostgresDatabase: "app_db", Role: appRole}
	s.method("CreateDatabase", "", func() error {
		created, err := s.createDatabase("my-database", false, spec)
		if err != nil {
			return err
		}
		status := created.Status
		return check(created.Name == appDatabase && status.DatabaseId == "my-database" &&
			status.PostgresDatabase == "app_db" && status.Role == appRole && created.Spec == nil, "%+v", status)
	})
	s.method("CreateDatabase", "bad id, unknown owner, no owner and a taken name refused", func() error {
		_, err := s.createDatabase("Invalid_DB_ID", false, spec)
		if err := refused(err, 400, "INVALID_PARAMETER_VALUE",
			`Field database_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got 'Invalid_DB_ID'.`); err != nil {
			return err
		}
		_, err = s.createDatabase("other", false, &postgres.DatabaseDatabaseSpec{PostgresDatabase: "o", Role: dev + "/roles/does-not-exist"})
		if err := refused(err, 404, "NOT_FOUND", `role not found; role_id:"does-not-exist" [TraceId: `); err != nil {
			return err
		}
		_, err = s.createDatabase("other", false, &postgres.DatabaseDatabaseSpec{PostgresDatabase: "o"})
		if err := refused(err, 400, "INVALID_PARAMETER_VALUE", "database.spec.role"); err != nil {
			return err
		}
		_, err = s.createDatabase("my-database", false, spec)
		return refused(err, 400, "BAD_REQUEST", "database with that name already exists")
	})
	s.method("CreateDatabase", "replace_existing", func() error {
		again, err := s.createDatabase("my-database", true, spec)
		if err != nil {
			return err
		}
		return check(again.Name == appDatabase, "%+v", again)
	})
	s.method("GetDatabase", "the implicit databricks_postgres", func() error {
		read, err := s.owner.Postgres.GetDatabase(s.ctx, postgres.GetDatabaseRequest{Name: dev + "/databases/databricks-postgres"})
		if err != nil {
			return err
		}
		return check(read.Status.PostgresDatabase == "databricks_postgres" && read.Status.Role != "", "%+v", read.Status)
	})
	s.method("ListDatabases", "over pages of one", func() error {
		all, err := allOf(s, s.owner.Postgres.ListDatabases(s.ctx, postgres.ListDatabasesRequest{Parent: dev, PageSize: 1}))
		if err != nil {
			return err
		}
		return check(len(all) == 2, "%+v", all)
	})
	s.method("ListDatabasesAll", "", func() error {
		all, err := s.owner.Postgres.ListDatabasesAll(s.ctx, postgres.ListDatabasesRequest{Parent: production})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].DatabaseId == "databricks-postgres", "%+v", all)
	})
	s.method("UpdateDatabase", "another name", func() error {
		operation, err := s.owner.Postgres.UpdateDatabase(s.ctx, postgres.UpdateDatabaseRequest{
			Name:       appDatabase,
			Database:   postgres.Database{Spec: &postgres.DatabaseDatabaseSpec{PostgresDatabase: "renamed_db", Role: appRole}},
			UpdateMask: mask("spec.postgres_database"),
		})
		updated, err := finished[postgres.Database](s, operation, err)
		if err != nil {
			return err
		}
		return check(updated.Status.PostgresDatabase == "renamed_db" && updated.Name == appDatabase, "%+v", updated.Status)
	})
	s.endOfRoles()
}

func (s *suite) endOfRoles() {
	s.method("DeleteRole", "an owner of objects refused; reassign_owned_to", func() error {
		if err := s.deleteRole(appRole, ""); err == nil {
			return errors.New("a role that owns a database was deleted")
		}
		if _, err := s.createRole(dev, "heir", false, &postgres.RoleRoleSpec{PostgresRole: "heir"}); err != nil {
			return err
		}
		if err := s.deleteRole(appRole, dev+"/roles/heir"); err != nil {
			return err
		}
		read, err := s.owner.Postgres.GetDatabase(s.ctx, postgres.GetDatabaseRequest{Name: appDatabase})
		if err != nil {
			return err
		}
		return check(read.Status.Role == dev+"/roles/heir", "%+v", read.Status)
	})
	s.method("DeleteDatabase", "", func() error {
		operation, err := s.owner.Postgres.DeleteDatabase(s.ctx, postgres.DeleteDatabaseRequest{Name: appDatabase})
		if err := gone(s, operation, err); err != nil {
			return err
		}
		_, err = s.owner.Postgres.GetDatabase(s.ctx, postgres.GetDatabaseRequest{Name: appDatabase})
		if !errors.Is(err, apierr.ErrNotFound) {
			return fmt.Errorf("a deleted database is read: %v", err)
		}
		return nil
	})
}
