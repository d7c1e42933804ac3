# Tables, key, registry, mail, network and cluster.

mock_provider "aws" {}

variables {
  name    = "framelift-test"
  region  = "us-east-1"
  key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "tables" {
  command = plan
  module {
    source = "../modules/tables"
  }
  assert {
    condition = alltrue([
      for table in aws_dynamodb_table.store :
      table.billing_mode == "PAY_PER_REQUEST" && table.hash_key == "PK" && table.deletion_protection_enabled
      && table.point_in_time_recovery[0].enabled && table.server_side_encryption[0].kms_key_arn == var.key_arn
    ])
    error_message = "a table cannot be restored, is not protected, or has another key than Spin's"
  }
  assert {
    condition     = keys(aws_dynamodb_table.store) == ["accounts", "videos"]
    error_message = "each store needs a table of its own"
  }
}

run "restored_tables" {
  command = plan
  module {
    source = "../modules/tables"
  }
  variables {
    suffix = "-r1"
  }
  assert {
    condition     = output.names == { accounts = "framelift-test-accounts-r1", videos = "framelift-test-videos-r1" }
    error_message = "tables that a restore has made cannot be named"
  }
}

run "kms" {
  command = plan
  module {
    source = "../modules/kms"
  }
  variables {
    account_id           = "123456789012"
    autoscaling_role_arn = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key is not rotated, or goes at once"
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      can(regex("^arn:aws:iam::123456789012:", statement.Principal.AWS)) || can(statement.Condition)
    ])
    error_message = "a service may use the key for other accounts"
  }
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Action
      if try(statement.Principal.AWS, null) == var.autoscaling_role_arn
      ])) == toset([
      "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant",
    ])
    error_message = "no node can start: Auto Scaling cannot make its disk"
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Condition.Bool["kms:GrantIsForAWSResource"], "") == "true"
      if contains(flatten([statement.Action]), "kms:CreateGrant")
    ])
    error_message = "grants can be given to others than disks"
  }
}

run "registry" {
  command = plan
  module {
    source = "../modules/registry"
  }
  variables {
    pulled_by           = ["111122223333"]
    copies              = { region = "us-west-2", account_id = "123456789012" }
    github_repository   = "example/framelift"
    github_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }
  override_resource {
    target          = aws_ecr_repository.image
    override_during = plan
    values          = { arn = "arn:aws:ecr:us-east-1:123456789012:repository/r" }
  }
  assert {
    condition = alltrue([
      for policy in aws_ecr_repository_policy.image : jsondecode(policy.policy).Statement[0].Principal == { AWS = ["arn:aws:iam::111122223333:root"] }
      && !anytrue([for action in jsondecode(policy.policy).Statement[0].Action : can(regex("Put|Upload|Delete|Set|\\*", action))])
    ])
    error_message = "other environments cannot pull, or may do more than that"
  }
  assert {
    condition = (
      aws_ecr_replication_configuration.copies[0].replication_configuration[0].rule[0].destination[0].region == "us-west-2"
      && aws_ecr_replication_configuration.copies[0].replication_configuration[0].rule[0].repository_filter[0].filter == "framelift-test/"
    )
    error_message = "with the region all images are lost"
  }
  assert {
    condition = alltrue(flatten([
      for policy in aws_ecr_lifecycle_policy.image : [
        for rule in jsondecode(policy.policy).rules : rule.selection.tagStatus != "any" && (rule.selection.tagStatus == "untagged" || can(rule.selection.tagPrefixList[0]))
      ]
    ]))
    error_message = "signatures and attestations are counted as releases"
  }
  assert {
    condition = toset(flatten([
      for statement in jsondecode(output.policy).Statement : [for action in flatten([statement.Action]) : action] if statement.Resource == "*"
    ])) == toset(["ecr:GetAuthorizationToken"])
    error_message = "CI may do something to every repository"
  }
  assert {
    condition     = !anytrue([for statement in jsondecode(output.policy).Statement : anytrue([for action in flatten([statement.Action]) : strcontains(action, "*")])])
    error_message = "an action has a wildcard"
  }
  assert {
    condition     = jsondecode(aws_iam_role.ci.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example/framelift:environment:release"
    error_message = "other workflows may push images"
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.image : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "a tag may come to mean another image"
  }
}

run "mail" {
  module {
    source = "../modules/mail"
  }
  variables {
    domain = "frames.example.com"
    from   = "no-reply@frames.example.com"
  }
  assert {
    condition = (
      jsondecode(aws_iam_group_policy.smtp.policy).Statement[0].Action == "ses:SendRawEmail"
      && jsondecode(aws_iam_group_policy.smtp.policy).Statement[0].Condition.StringEquals["ses:FromAddress"] == "no-reply@frames.example.com"
    )
    error_message = "the SMTP user may send as others"
  }
}

run "network" {
  command = plan
  module {
    source = "../modules/network"
  }
  variables {
    zones        = ["us-east-1a", "us-east-1b", "us-east-1c"]
    nat_per_zone = true
    cluster_name = "framelift-test"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_subnet.private) == 3
    error_message = "the loss of a zone takes others with it"
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : coalesce(subnet.map_public_ip_on_launch, false) == false])
    error_message = "what starts in a public subnet has a public address"
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["s3", "dynamodb"]) && alltrue([for endpoint in aws_vpc_endpoint.gateway : endpoint.vpc_endpoint_type == "Gateway"])
    error_message = "videos go through a NAT gateway, by the byte"
  }
}

run "one_zone_is_refused" {
  command = plan
  module {
    source = "../modules/network"
  }
  variables {
    zones        = ["us-east-1a"]
    nat_per_zone = false
    cluster_name = "framelift-test"
  }
  expect_failures = [var.zones]
}

run "cluster" {
  command = plan
  module {
    source = "../modules/cluster"
  }
  variables {
    subnet_ids         = ["subnet-1", "subnet-2"]
    administrator_arns = []
    workload_role_arns = {
      for workload in ["edge", "worker", "collector", "keda", "external-secrets"] : workload => "arn:aws:iam::123456789012:role/${workload}"
    }
    node_groups = {
      system = { instance_types = ["m7i.large"], spot = false, gpu = false, min = 2, max = 4, disk_gib = 50 }
      cpu    = { instance_types = ["m7i.4xlarge"], spot = true, gpu = false, min = 0, max = 4, disk_gib = 50 }
      gpu    = { instance_types = ["g6.xlarge"], spot = true, gpu = true, min = 0, max = 4, disk_gib = 100 }
    }
  }
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "the API server has a public address although no network is named"
  }
  assert {
    condition     = alltrue([for name, group in aws_eks_node_group.this : name == "system" ? length(group.taint) == 0 : length(group.taint) == 1 && group.scaling_config[0].min_size == 0])
    error_message = "nodes for workers take others' pods, or never go away"
  }
  assert {
    condition     = aws_eks_node_group.this["gpu"].capacity_type == "SPOT" && strcontains(aws_eks_node_group.this["gpu"].ami_type, "NVIDIA")
    error_message = "the GPU group is not a spot group with NVIDIA's driver"
  }
  assert {
    condition     = alltrue([for template in aws_launch_template.node : template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1])
    error_message = "pods reach the nodes' credentials"
  }
  assert {
    condition     = alltrue([for template in aws_launch_template.node : strcontains(base64decode(template.user_data), "singleProcessOOMKill: true")])
    error_message = "a decoder that runs out of memory takes its worker with it"
  }
  assert {
    condition = alltrue([
      for template in aws_launch_template.node : toset([
        for tagged in template.tag_specifications : tagged.resource_type if tagged.tags["Environment"] == var.name
      ]) == toset(["instance", "volume", "network-interface"])
    ])
    error_message = "the budget does not see what nodes cost"
  }
  assert {
    condition     = alltrue([for addon in aws_eks_addon.this : addon.resolve_conflicts_on_create == "OVERWRITE"])
    error_message = "an add-on gives way to what a new cluster comes with"
  }
  assert {
    condition     = strcontains(aws_eks_addon.this["vpc-cni"].configuration_values, "\"enableNetworkPolicy\":\"true\"")
    error_message = "network policies are not enforced"
  }
  # What the controllers may do to every resource: look, and make what carries the cluster's tag.
  assert {
    condition = toset(flatten([
      for controller, policy in output.policies : [
        for statement in jsondecode(policy).Statement : "${controller} ${statement.Sid}" if statement.Resource == "*"
      ]
    ])) == toset(["cluster-autoscaler SeeGroups", "load-balancer See", "load-balancer MakeTaggedLoadBalancers"])
    error_message = "a controller may do more to every resource"
  }
  assert {
    condition = alltrue(flatten([
      for controller, policy in output.policies : [
        for statement in jsondecode(policy).Statement : [
          for action in flatten([statement.Action]) : can(regex(":(Describe|Get|List)", action)) || can(statement.Condition) || statement.Sid == "MakeSecurityGroups"
        ]
      ]
    ]))
    error_message = "a controller may change what is not the cluster's"
  }
}

run "workers_that_never_go_away_are_refused" {
  command = plan
  module {
    source = "../modules/cluster"
  }
  variables {
    subnet_ids         = ["subnet-1", "subnet-2"]
    administrator_arns = []
    workload_role_arns = {
      for workload in ["edge", "worker", "collector", "keda", "external-secrets"] : workload => "arn:aws:iam::123456789012:role/${workload}"
    }
    node_groups = {
      system = { instance_types = ["m7i.large"], spot = false, gpu = false, min = 2, max = 4, disk_gib = 50 }
      gpu    = { instance_types = ["g6.xlarge"], spot = true, gpu = true, min = 1, max = 4, disk_gib = 100 }
    }
  }
  expect_failures = [var.node_groups]
}
