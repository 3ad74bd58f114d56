package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/postgres"
)

func (s *suite) credentials() {
	generate := func(request postgres.GenerateDatabaseCredentialRequest) (*postgres.DatabaseCredential, error) {
		return s.owner.Postgres.GenerateDatabaseCredential(s.ctx, request)
	}
	s.method("GenerateDatabaseCredential", "", func() error {
		credential, err := generate(postgres.GenerateDatabaseCredentialRequest{Endpoint: primary, Ttl: seconds(900)})
		if err != nil {
			return err
		}
		left := time.Until(credential.ExpireTime.AsTime())
		return check(credential.Token != "" && left > 14*time.Minute && left <= 15*time.Minute, "%s left", left)
	})
	s.method("GenerateDatabaseCredential", "absent endpoint and a ttl out of range refused", func() error {
		_, err := generate(postgres.GenerateDatabaseCredentialRequest{Endpoint: dev + "/endpoints/absent"})
		if err := refused(err, 404, "NOT_FOUND", "endpoint id not found"); err != nil {
			return err
		}
		_, err = generate(postgres.GenerateDatabaseCredentialRequest{Endpoint: primary, Ttl: seconds(60)})
		return refused(err, 400, "INVALID_PARAMETER_VALUE", "")
	})
	s.method("GetOperation", "", func() error {
		operation, err := s.owner.Postgres.UpdateBranch(s.ctx, postgres.UpdateBranchRequest{
			Name: dev, Branch: postgres.Branch{Spec: &postgres.BranchSpec{NoExpiry: true}}, UpdateMask: mask("spec.expiration"),
		})
		if _, err := finished[postgres.Branch](s, operation, err); err != nil {
			return err
		}
		read, err := s.owner.Postgres.GetOperation(s.ctx, postgres.GetOperationRequest{Name: operation.Name()})
		if err != nil {
			return err
		}
		return check(read.Done && read.Response != nil && read.Error == nil && read.Metadata != nil, "%+v", read)
	})
	s.method("GetOperation", "absent is ErrNotFound", func() error {
		_, err := s.owner.Postgres.GetOperation(s.ctx, postgres.GetOperationRequest{Name: dev + "/operations/absent"})
		return refused(err, 404, "NOT_FOUND", "operation id not found")
	})
}

// lakehouse: what ties Lakebase to Unity Catalog has no counterpart here and says so.
func (s *suite) lakehouse() {
	const database = dev + "/databases/databricks-postgres"
	const cdf = database + "/cdf-configs/c"
	c, ctx := s.owner.Postgres, s.ctx
	second := func(_ any, err error) error { return err }
	calls := []struct {
		method string
		call   func() error
	}{
		{"CreateCatalog", func() error {
			return second(c.CreateCatalog(ctx, postgres.CreateCatalogRequest{CatalogId: "c", Catalog: postgres.Catalog{
				Spec: &postgres.CatalogCatalogSpec{Branch: dev, PostgresDatabase: "databricks_postgres"}}}))
		}},
		{"GetCatalog", func() error { return second(c.GetCatalog(ctx, postgres.GetCatalogRequest{Name: "catalogs/c"})) }},
		{"DeleteCatalog", func() error { return second(c.DeleteCatalog(ctx, postgres.DeleteCatalogRequest{Name: "catalogs/c"})) }},
		{"CreateSyncedTable", func() error {
			return second(c.CreateSyncedTable(ctx, postgres.CreateSyncedTableRequest{SyncedTableId: "c.s.t"}))
		}},
		{"GetSyncedTable", func() error {
			return second(c.GetSyncedTable(ctx, postgres.GetSyncedTableRequest{Name: "synced_tables/c.s.t"}))
		}},
		{"DeleteSyncedTable", func() error {
			return second(c.DeleteSyncedTable(ctx, postgres.DeleteSyncedTableRequest{Name: "synced_tables/c.s.t"}))
		}},
		{"CreateDataApi", func() error {
			return second(c.CreateDataApi(ctx, postgres.CreateDataApiRequest{Parent: database, DataApi: postgres.DataApi{
				Spec: &postgres.DataApiDataApiSpec{DbSchemas: []string{"public"}}}}))
		}},
		{"GetDataApi", func() error {
			return second(c.GetDataApi(ctx, postgres.GetDataApiRequest{Name: database + "/data-api"}))
		}},
		{"UpdateDataApi", func() error {
			return second(c.UpdateDataApi(ctx, postgres.UpdateDataApiRequest{Name: database + "/data-api", UpdateMask: mask("spec"),
				DataApi: postgres.DataApi{Spec: &postgres.DataApiDataApiSpec{DbMaxRows: 10}}}))
		}},
		{"DeleteDataApi", func() error {
			return second(c.DeleteDataApi(ctx, postgres.DeleteDataApiRequest{Name: database + "/data-api"}))
		}},
		{"CreateCdfConfig", func() error {
			return second(c.CreateCdfConfig(ctx, postgres.CreateCdfConfigRequest{Parent: database, CdfConfigId: "c",
				CdfConfig: postgres.CdfConfig{Catalog: "c", Schema: "s", PostgresSchema: "public"}}))
		}},
		{"GetCdfConfig", func() error { return second(c.GetCdfConfig(ctx, postgres.GetCdfConfigRequest{Name: cdf})) }},
		{"ListCdfConfigs", func() error {
			return second(allOf(s, c.ListCdfConfigs(ctx, postgres.ListCdfConfigsRequest{Parent: database})))
		}},
		{"ListCdfConfigsAll", func() error {
			return second(c.ListCdfConfigsAll(ctx, postgres.ListCdfConfigsRequest{Parent: database}))
		}},
		{"DeleteCdfConfig", func() error {
			return second(c.DeleteCdfConfig(ctx, postgres.DeleteCdfConfigRequest{Name: cdf, Force: true}))
		}},
		{"GetCdfStatus", func() error {
			return second(c.GetCdfStatus(ctx, postgres.GetCdfStatusRequest{Name: cdf + "/cdf-statuses/t"}))
		}},
		{"ListCdfStatuses", func() error {
			return second(allOf(s, c.ListCdfStatuses(ctx, postgres.ListCdfStatusesRequest{Parent: cdf})))
		}},
		{"ListCdfStatusesAll", func() error {
			return second(c.ListCdfStatusesAll(ctx, postgres.ListCdfStatusesRequest{Parent: cdf}))
		}},
	}
	for _, each := range calls {
		s.method(each.method, "501 NOT_IMPLEMENTED with a text", func() error {
			err := each.call()
			if !errors.Is(err, apierr.ErrNotImplemented) {
				return fmt.Errorf("not ErrNotImplemented: %v", err)
			}
			return refused(err, 501, "NOT_IMPLEMENTED", " ")
		})
	}
}
