package main

import (
	"fmt"
	"time"

	"github.com/databricks/databricks-sdk-go/service/postgres"
)

const primary = dev + "/endpoints/primary"

func (s *suite) createEndpoint(id string, replace bool, spec *postgres.EndpointSpec) (*postgres.Endpoint, error) {
	operation, err := s.owner.Postgres.CreateEndpoint(s.ctx, postgres.CreateEndpointRequest{
		Parent: dev, EndpointId: id, ReplaceExisting: replace, Endpoint: postgres.Endpoint{Spec: spec},
	})
	return finished[postgres.Endpoint](s, operation, err)
}

func (s *suite) updateEndpoint(name, path string, spec *postgres.EndpointSpec) (*postgres.Endpoint, error) {
	operation, err := s.owner.Postgres.UpdateEndpoint(s.ctx, postgres.UpdateEndpointRequest{
		Name: name, Endpoint: postgres.Endpoint{Spec: spec}, UpdateMask: mask(path),
	})
	return finished[postgres.Endpoint](s, operation, err)
}

func (s *suite) endpoints() {
	const readOnly = postgres.EndpointTypeEndpointTypeReadOnly
	const readWrite = postgres.EndpointTypeEndpointTypeReadWrite
	s.method("GetEndpoint", "the implicit primary", func() error {
		read, err := s.owner.Postgres.GetEndpoint(s.ctx, postgres.GetEndpointRequest{Name: primary})
		if err != nil {
			return err
		}
		status := read.Status
		return check(status.EndpointType == readWrite && status.Hosts != nil && status.Hosts.Host != "" &&
			status.Group != nil && status.Group.Min == 1 && status.Group.Max == 1 && status.Settings != nil &&
			status.AutoscalingLimitMaxCu >= status.AutoscalingLimitMinCu && read.Spec == nil, "%+v", status)
	})
	s.method("CreateEndpoint", "a second read-write one refused", func() error {
		_, err := s.createEndpoint("second", false, &postgres.EndpointSpec{EndpointType: readWrite})
		return refused(err, 409, "ALREADY_EXISTS", "read_write endpoint already exists")
	})
	s.method("CreateEndpoint", "read-only", func() error {
		created, err := s.createEndpoint("reader", false, &postgres.EndpointSpec{
			EndpointType: readOnly, AutoscalingLimitMinCu: 0.5, AutoscalingLimitMaxCu: 2, SuspendTimeoutDuration: seconds(300),
		})
		if err != nil {
			return err
		}
		status := created.Status
		return check(status.EndpointType == readOnly && status.Hosts.ReadOnlyHost == status.Hosts.Host &&
			status.AutoscalingLimitMinCu == 0.5 && status.AutoscalingLimitMaxCu == 2 &&
			status.SuspendTimeoutDuration.AsDuration() == 5*time.Minute, "%+v %+v", status, status.Hosts)
	})
	s.method("CreateEndpoint", "replace_existing adopts primary and keeps its uid", func() error {
		before, err := s.owner.Postgres.GetEndpoint(s.ctx, postgres.GetEndpointRequest{Name: primary})
		if err != nil {
			return err
		}
		after, err := s.createEndpoint("primary", true, &postgres.EndpointSpec{
			EndpointType: readWrite, AutoscalingLimitMinCu: 0.5, AutoscalingLimitMaxCu: 2,
		})
		if err != nil {
			return err
		}
		return check(after.Uid == before.Uid && after.Status.AutoscalingLimitMaxCu == 2, "%+v", after.Status)
	})
	s.method("ListEndpoints", "over pages of one", func() error {
		all, err := allOf(s, s.owner.Postgres.ListEndpoints(s.ctx, postgres.ListEndpointsRequest{Parent: dev, PageSize: 1}))
		if err != nil {
			return err
		}
		return check(len(all) == 2, "%d endpoints", len(all))
	})
	s.method("ListEndpointsAll", "", func() error {
		all, err := s.owner.Postgres.ListEndpointsAll(s.ctx, postgres.ListEndpointsRequest{Parent: production})
		if err != nil {
			return err
		}
		return check(len(all) == 1 && all[0].EndpointId == "primary", "%+v", all)
	})
	s.method("UpdateEndpoint", "a leaf; the primary settles", func() error {
		updated, err := s.updateEndpoint(primary, "spec.suspension", &postgres.EndpointSpec{
			EndpointType: readWrite, SuspendTimeoutDuration: seconds(1800),
		})
		if err != nil {
			return err
		}
		if err := check(updated.Status.SuspendTimeoutDuration.AsDuration() == 30*time.Minute, "%+v", updated.Status); err != nil {
			return err
		}
		for range 60 {
			read, err := s.owner.Postgres.GetEndpoint(s.ctx, postgres.GetEndpointRequest{Name: primary})
			if err != nil {
				return err
			}
			if read.Status.PendingState == "" {
				return nil
			}
			time.Sleep(time.Second)
		}
		return fmt.Errorf("pending_state is not empty after a minute")
	})
	s.method("DeleteEndpoint", "a read-only one", func() error {
		operation, err := s.owner.Postgres.DeleteEndpoint(s.ctx, postgres.DeleteEndpointRequest{Name: dev + "/endpoints/reader"})
		return gone(s, operation, err)
	})
	s.method("DeleteEndpoint", "the read-write one is MANAGED_BY_PARENT", func() error {
		_, err := s.owner.Postgres.DeleteEndpoint(s.ctx, postgres.DeleteEndpointRequest{Name: primary})
		return managedByParent(err)
	})
}
