# Everything made anew, with nothing adopted and nothing purged.
terraform {
  required_providers {
    databricks = {
      source = "databricks/databricks"
    }
  }
}

variable "guest" { type = string }
variable "display_name" { default = "Tofu" }
variable "max_cu" { default = 1 }
variable "createdb" { default = false }
variable "database" { default = "app_db" }
variable "guest_level" { default = "CAN_USE" }

resource "databricks_postgres_project" "this" {
  project_id = "tofu-fresh"
  spec = {
    display_name               = var.display_name
    pg_version                 = 17
    history_retention_duration = "172800s"
    default_endpoint_settings = {
      autoscaling_limit_min_cu = 0.5
      autoscaling_limit_max_cu = 1
      suspend_timeout_duration = "600s"
    }
  }
}

resource "databricks_postgres_branch" "dev" {
  branch_id = "dev"
  parent    = databricks_postgres_project.this.name
  spec = {
    no_expiry = true
  }
}

resource "databricks_postgres_endpoint" "reader" {
  endpoint_id = "reader"
  parent      = databricks_postgres_branch.dev.name
  spec = {
    endpoint_type            = "ENDPOINT_TYPE_READ_ONLY"
    autoscaling_limit_min_cu = 0.5
    autoscaling_limit_max_cu = var.max_cu
    suspend_timeout_duration = "300s"
  }
}

resource "databricks_postgres_role" "app" {
  role_id = "app-owner"
  parent  = databricks_postgres_branch.dev.name
  spec = {
    postgres_role = "app_owner"
    auth_method   = "NO_LOGIN"
    attributes = {
      createdb = var.createdb
    }
  }
}

resource "databricks_postgres_database" "app" {
  database_id = "my-database"
  parent      = databricks_postgres_branch.dev.name
  spec = {
    postgres_database = var.database
    role              = databricks_postgres_role.app.name
  }
}

resource "databricks_permissions" "project" {
  database_project_name = databricks_postgres_project.this.project_id
  access_control {
    user_name        = var.guest
    permission_level = var.guest_level
  }
}

data "databricks_postgres_branches" "all" {
  parent     = databricks_postgres_project.this.name
  depends_on = [databricks_postgres_branch.dev]
}

output "branches" {
  value = [for branch in data.databricks_postgres_branches.all.branches : branch.branch_id]
}
