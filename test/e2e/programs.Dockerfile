# Programs that the end-to-end tests run in pods, from a folder of built ones: kube-apiserver and kube-controller-manager, whose state
# a cluster under test keeps, and the Prometheus that scrapes it.
FROM docker.io/library/node:24-bookworm-slim
COPY kube-apiserver kube-controller-manager prometheus /usr/local/bin/
