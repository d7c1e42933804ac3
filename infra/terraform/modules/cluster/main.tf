# The Kubernetes cluster: a few nodes for what always runs, nodes for decoding on CPUs and on GPUs that come and
# go with the queue, and the pods' identities.

variable "name" {
  type        = string
  description = "The cluster's name"
}

variable "kubernetes_version" {
  type        = string
  default     = "1.33"
  description = "Kubernetes' minor version"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts Kubernetes' secrets, the nodes' disks and the log"
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets, one for each zone"
}

variable "administrator_arns" {
  type        = list(string)
  description = "Roles of people who may do everything in the cluster"
}

variable "api_cidrs" {
  type        = list(string)
  default     = []
  description = "Addresses that may reach the API server from outside; if none, it has no public address"
}

variable "node_groups" {
  type = map(object({
    instance_types = list(string)
    spot           = bool
    gpu            = bool
    min            = number
    max            = number
    disk_gib       = number
  }))
  description = "Groups of nodes. `system` carries the edge and the controllers; the others take workers alone"
  validation {
    condition     = contains(keys(var.node_groups), "system")
    error_message = "The controllers need a group called system."
  }
  validation {
    condition     = alltrue([for name, group in var.node_groups : name == "system" || group.min == 0])
    error_message = "Groups for workers scale to zero."
  }
}

variable "workload_role_arns" {
  type        = map(string)
  description = "Roles by workload: edge, worker, collector, keda, external-secrets"
}

locals {
  # The service accounts that get a role.
  service_accounts = {
    edge               = { namespace = "framelift", account = "framelift-edge", role = var.workload_role_arns["edge"] }
    worker             = { namespace = "framelift", account = "framelift-worker", role = var.workload_role_arns["worker"] }
    collector          = { namespace = "framelift", account = "framelift-collector", role = var.workload_role_arns["collector"] }
    keda               = { namespace = "keda", account = "keda-operator", role = var.workload_role_arns["keda"] }
    external-secrets   = { namespace = "external-secrets", account = "external-secrets", role = var.workload_role_arns["external-secrets"] }
    cluster-autoscaler = { namespace = "kube-system", account = "cluster-autoscaler", role = aws_iam_role.controller["cluster-autoscaler"].arn }
    load-balancer      = { namespace = "kube-system", account = "aws-load-balancer-controller", role = aws_iam_role.controller["load-balancer"].arn }
  }

  controllers = {
    cluster-autoscaler = [
      {
        # These calls describe; AWS lets none of them be narrowed to a resource.
        Sid    = "SeeGroups"
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
          "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
          "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
        ]
        Resource = "*"
      },
      { Sid = "SeeNodeGroups", Effect = "Allow", Action = "eks:DescribeNodegroup", Resource = "arn:aws:eks:*:*:nodegroup/${var.name}/*/*" },
      {
        Sid       = "ScaleOwnGroups"
        Effect    = "Allow"
        Action    = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
        Resource  = "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/eks-*"
        Condition = { StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.name}" = "owned" } }
      },
    ]
    load-balancer = jsondecode(templatefile("${path.module}/load-balancer.json", { cluster = var.name }))
  }
}

resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster"
  kms_key_id        = var.key_arn
  retention_in_days = 365
}

resource "aws_iam_role" "cluster" {
  name = "${var.name}-cluster"
  path = "/framelift/"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "eks.amazonaws.com" }, Action = ["sts:AssumeRole", "sts:TagSession"] }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  # checkov:skip=CKV_AWS_38:the API server has a public address only for the networks that api_cidrs names; the tests see to it
  # checkov:skip=CKV_AWS_39:the same
  name                      = var.name
  version                   = var.kubernetes_version
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }
  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_cidrs) > 0
    public_access_cidrs     = var.api_cidrs
  }
  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = var.key_arn
    }
  }
  depends_on = [aws_iam_role_policy_attachment.cluster, aws_cloudwatch_log_group.cluster]
}

resource "aws_eks_access_entry" "administrator" {
  for_each      = toset(var.administrator_arns)
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value
}

resource "aws_eks_access_policy_association" "administrator" {
  for_each      = aws_eks_access_entry.administrator
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
  access_scope {
    type = "cluster"
  }
}

resource "aws_iam_role" "node" {
  name = "${var.name}-node"
  path = "/framelift/"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"])
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

resource "aws_launch_template" "node" {
  for_each = var.node_groups
  name     = "${var.name}-${each.key}"
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = each.value.disk_gib
      volume_type = "gp3"
      encrypted   = true
      kms_key_id  = var.key_arn
    }
  }
  # Where memory runs out, the kernel ends one process and not its whole container: a decoder, not the worker.
  user_data = base64encode(<<-EOT
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="//"

    --//
    Content-Type: application/node.eks.aws

    apiVersion: node.eks.aws/v1alpha1
    kind: NodeConfig
    spec:
      kubelet:
        config:
          singleProcessOOMKill: true
    --//--
  EOT
  )
  # No pod reaches the node's credentials: an answer of the metadata service does not pass a second hop.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  # Neither the provider's default tags nor the group's own reach what an instance consists of; the budget counts by them.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])
    content {
      resource_type = tag_specifications.key
      tags          = { Project = "framelift", Environment = var.name, Name = "${var.name}-${each.key}" }
    }
  }
}

resource "aws_eks_node_group" "this" {
  for_each        = var.node_groups
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnet_ids
  instance_types  = each.value.instance_types
  capacity_type   = each.value.spot ? "SPOT" : "ON_DEMAND"
  ami_type        = each.value.gpu ? "AL2023_x86_64_NVIDIA" : "AL2023_x86_64_STANDARD"
  labels          = { "framelift.dev/pool" = each.key }
  launch_template {
    id      = aws_launch_template.node[each.key].id
    version = aws_launch_template.node[each.key].latest_version
  }
  scaling_config {
    min_size     = each.value.min
    max_size     = each.value.max
    desired_size = each.value.min
  }
  update_config {
    max_unavailable_percentage = 33
  }
  dynamic "taint" {
    for_each = each.key == "system" ? [] : [each.key]
    content {
      key    = "framelift.dev/pool"
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }
  # What an empty group's nodes will be like, for the autoscaler.
  tags = merge(
    {
      "k8s.io/cluster-autoscaler/enabled"                                = "true"
      "k8s.io/cluster-autoscaler/${var.name}"                            = "owned"
      "k8s.io/cluster-autoscaler/node-template/label/framelift.dev/pool" = each.key
    },
    each.key == "system" ? {} : { "k8s.io/cluster-autoscaler/node-template/taint/framelift.dev/pool" = "${each.key}:NoSchedule" },
    each.value.gpu ? { "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu" = "1" } : {},
  )
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }
  depends_on = [aws_iam_role_policy_attachment.node]
}

resource "aws_eks_addon" "this" {
  for_each = {
    # Network policies are enforced by the network plugin. In this mode a pod is open until the node's agent has its
    # policies, a moment after its start. `strict` would close that gap, but it also cuts off every pod without a policy,
    # those of kube-system and of the controllers among them.
    vpc-cni = jsonencode({
      enableNetworkPolicy = "true"
      env                 = { NETWORK_POLICY_ENFORCING_MODE = "standard" }
    })
    kube-proxy             = null
    coredns                = null
    eks-pod-identity-agent = null
    metrics-server         = null
  }
  cluster_name         = aws_eks_cluster.this.name
  addon_name           = each.key
  configuration_values = each.value
  # A new cluster comes with its own network plugin, proxy and DNS: the add-on takes their place.
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this]
}

resource "aws_iam_role" "controller" {
  for_each = toset(["cluster-autoscaler", "load-balancer"])
  name     = "${var.name}-${each.key}"
  path     = "/framelift/"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_iam_role_policy" "controller" {
  # checkov:skip=CKV_AWS_355:the statements with every resource describe only, or make what has no name yet and are tied to the cluster's tag; the tests list them
  # checkov:skip=CKV_AWS_290:the same
  for_each = aws_iam_role.controller
  name     = each.key
  role     = each.value.id
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.controllers[each.key] })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = local.service_accounts
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = each.value.role
}

output "endpoint" {
  value = aws_eks_cluster.this.endpoint
}

output "policies" {
  description = "The policy of each controller, for the tests"
  value       = { for controller, policy in aws_iam_role_policy.controller : controller => policy.policy }
}
