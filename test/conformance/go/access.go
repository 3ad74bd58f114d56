package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/oauth2"
	"github.com/databricks/databricks-sdk-go/service/postgres"
	"github.com/databricks/databricks-sdk-go/service/settings"
)

func clientWith(token string) (*databricks.WorkspaceClient, error) {
	return databricks.NewWorkspaceClient(&databricks.Config{Host: os.Getenv("DATABRICKS_HOST"), Token: token})
}

func clientOf(id, secret string) (*databricks.WorkspaceClient, error) {
	return databricks.NewWorkspaceClient(&databricks.Config{
		Host: os.Getenv("DATABRICKS_HOST"), ClientID: id, ClientSecret: secret, AuthType: "oauth-m2m",
	})
}

func isUnauthenticated(client *databricks.WorkspaceClient, s *suite) error {
	_, err := client.CurrentUser.Me(s.ctx, iam.MeRequest{})
	if !errors.Is(err, apierr.ErrUnauthenticated) {
		return fmt.Errorf("not ErrUnauthenticated: %v", err)
	}
	return nil
}

func (s *suite) tokens() {
	var value, id string
	s.row("Tokens.Create, and the token works", func() error {
		created, err := s.owner.Tokens.Create(s.ctx, settings.CreateTokenRequest{Comment: "go-sdk", LifetimeSeconds: 600})
		if err != nil {
			return err
		}
		value, id = created.TokenValue, created.TokenInfo.TokenId
		client, err := clientWith(value)
		if err != nil {
			return err
		}
		me, err := client.CurrentUser.Me(s.ctx, iam.MeRequest{})
		if err != nil {
			return err
		}
		return check(me.UserName == s.login, "%+v", me)
	})
	s.row("Tokens.List", func() error {
		all, err := s.owner.Tokens.ListAll(s.ctx)
		if err != nil {
			return err
		}
		for _, each := range all {
			if each.TokenId == id {
				return check(each.Comment == "go-sdk" && each.ExpiryTime > each.CreationTime, "%+v", each)
			}
		}
		return fmt.Errorf("%s is not in %+v", id, all)
	})
	s.row("Tokens.Delete, and the token is dead at once", func() error {
		if err := s.owner.Tokens.Delete(s.ctx, settings.RevokeTokenRequest{TokenId: id}); err != nil {
			return err
		}
		client, err := clientWith(value)
		if err != nil {
			return err
		}
		return isUnauthenticated(client, s)
	})
}

func (s *suite) permissions() {
	const kind = "database-projects"
	const guest = "go.guest@example.com"
	level := func(permissions *iam.ObjectPermissions, login string) iam.PermissionLevel {
		for _, entry := range permissions.AccessControlList {
			if entry.UserName == login && len(entry.AllPermissions) > 0 {
				return entry.AllPermissions[0].PermissionLevel
			}
		}
		return ""
	}
	const canUse, canManage = iam.PermissionLevelCanUse, iam.PermissionLevelCanManage
	s.row("Permissions.Get", func() error {
		read, err := s.owner.Permissions.Get(s.ctx, iam.GetPermissionRequest{RequestObjectType: kind, RequestObjectId: projectID})
		if err != nil {
			return err
		}
		return check(read.ObjectType == kind && read.ObjectId == "/database-projects/"+projectID &&
			level(read, s.login) == canManage, "%+v", read)
	})
	s.row("Permissions.Update, adds", func() error {
		if _, err := s.owner.Users.Create(s.ctx, iam.User{UserName: guest}); err != nil {
			return err
		}
		updated, err := s.owner.Permissions.Update(s.ctx, iam.UpdateObjectPermissions{
			RequestObjectType: kind, RequestObjectId: projectID,
			AccessControlList: []iam.AccessControlRequest{{UserName: guest, PermissionLevel: canUse}},
		})
		if err != nil {
			return err
		}
		return check(level(updated, guest) == canUse && level(updated, s.login) == canManage, "%+v", updated)
	})
	s.row("Permissions.Set, replaces", func() error {
		replaced, err := s.owner.Permissions.Set(s.ctx, iam.SetObjectPermissions{
			RequestObjectType: kind, RequestObjectId: projectID,
			AccessControlList: []iam.AccessControlRequest{{UserName: s.login, PermissionLevel: canManage}},
		})
		if err != nil {
			return err
		}
		return check(level(replaced, guest) == "" && level(replaced, s.login) == canManage, "%+v", replaced)
	})
}

func (s *suite) oauth() {
	var principal *iam.ServicePrincipal
	var secret *oauth2.CreateServicePrincipalSecretResponse
	s.row("ServicePrincipalSecretsProxy.Create", func() error {
		created, err := s.owner.ServicePrincipals.Create(s.ctx, iam.ServicePrincipal{DisplayName: "go-m2m", Active: true})
		if err != nil {
			return err
		}
		principal = created
		secret, err = s.owner.ServicePrincipalSecretsProxy.Create(s.ctx, oauth2.CreateServicePrincipalSecretRequest{
			ServicePrincipalId: created.Id,
		})
		if err != nil {
			return err
		}
		return check(secret.Secret != "" && secret.Id != "", "%+v", secret)
	})
	s.row("ServicePrincipalSecretsProxy.List", func() error {
		all, err := s.owner.ServicePrincipalSecretsProxy.ListAll(s.ctx, oauth2.ListServicePrincipalSecretsRequest{
			ServicePrincipalId: principal.Id,
		})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].Id == secret.Id, "%+v", all)
	})
	s.row("oauth-m2m: a service principal logs in, and works with its project", func() error {
		client, err := clientOf(principal.ApplicationId, secret.Secret)
		if err != nil {
			return err
		}
		me, err := client.CurrentUser.Me(s.ctx, iam.MeRequest{})
		if err != nil {
			return err
		}
		if err := check(me.UserName == principal.ApplicationId, "Me is %s", me.UserName); err != nil {
			return err
		}
		_, err = client.Postgres.ListProjectsAll(s.ctx, postgres.ListProjectsRequest{})
		return err
	})
	s.row("oauth-m2m: a wrong secret is refused", func() error {
		client, err := clientOf(principal.ApplicationId, "wrong")
		if err != nil {
			return nil // refused while it was resolved
		}
		if _, err := client.CurrentUser.Me(s.ctx, iam.MeRequest{}); err == nil {
			return errors.New("a wrong secret logs in")
		}
		return nil
	})
	s.row("ServicePrincipalSecretsProxy.Delete, and it logs in no longer", func() error {
		err := s.owner.ServicePrincipalSecretsProxy.Delete(s.ctx, oauth2.DeleteServicePrincipalSecretRequest{
			ServicePrincipalId: principal.Id, SecretId: secret.Id,
		})
		if err != nil {
			return err
		}
		client, err := clientOf(principal.ApplicationId, secret.Secret)
		if err != nil {
			return nil // refused while it was resolved
		}
		if _, err := client.CurrentUser.Me(s.ctx, iam.MeRequest{}); err == nil {
			return errors.New("a deleted secret logs in")
		}
		return nil
	})
}
