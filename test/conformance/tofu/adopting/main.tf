# What a project brings by itself, adopted; and everything purged in the end.
terraform {
  required_providers {
    databricks = {
      source = "databricks/databricks"
    }
  }
}

variable "replace_existing" { default = true }
variable "is_protected" { default = false }
variable "max_cu" { default = 2 }

resource "databricks_postgres_project" "this" {
  project_id      = "tofu-adopting"
  purge_on_delete = true
  initial_endpoint_spec = {
    autoscaling_limit_min_cu = 0.5
    autoscaling_limit_max_cu = 1
  }
}

resource "databricks_postgres_branch" "production" {
  branch_id        = "production"
  parent           = databricks_postgres_project.this.name
  replace_existing = var.replace_existing
  spec = {
    no_expiry    = true
    is_protected = var.is_protected
  }
}

resource "databricks_postgres_endpoint" "primary" {
  endpoint_id      = "primary"
  parent           = databricks_postgres_branch.production.name
  replace_existing = var.replace_existing
  spec = {
    endpoint_type            = "ENDPOINT_TYPE_READ_WRITE"
    autoscaling_limit_min_cu = 0.5
    autoscaling_limit_max_cu = var.max_cu
    suspend_timeout_duration = "600s"
  }
}

resource "databricks_postgres_role" "app" {
  role_id          = "app-owner"
  parent           = databricks_postgres_branch.production.name
  replace_existing = var.replace_existing
  spec = {
    postgres_role    = "app_owner"
    auth_method      = "NO_LOGIN"
    membership_roles = ["DATABRICKS_SUPERUSER"]
  }
}

resource "databricks_postgres_branch" "fork" {
  branch_id       = "fork"
  parent          = databricks_postgres_project.this.name
  purge_on_delete = true
  spec = {
    source_branch = databricks_postgres_branch.production.name
    ttl           = "86400s"
  }
  depends_on = [databricks_postgres_role.app]
}

# Inherited from the source by the copy, so it is there before it is made.
resource "databricks_postgres_role" "inherited" {
  role_id          = "app-owner"
  parent           = databricks_postgres_branch.fork.name
  replace_existing = true
  spec = {
    postgres_role = "app_owner"
    auth_method   = "NO_LOGIN"
  }
}
