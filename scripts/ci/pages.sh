#!/usr/bin/env bash
# pages.sh: shows public/. GitLab takes that folder from the job; GitHub takes it from the branch gh-pages.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ ! -e public/index.html ]]; then
    echo "ci-pages: no public/index.html; run: make ci-release" >&2
    exit 2
fi
if [[ ${GITHUB_ACTIONS-} != true ]]; then
    echo "ci-pages: public/ is ready"
    exit 0
fi
# The branch holds the last release's pages and no history.
touch public/.nojekyll
export GIT_ASKPASS=$PWD/scripts/ci/askpass.sh GIT_TERMINAL_PROMPT=0
remote=${PUSH_URL:-$(git remote get-url origin)}
git init --quiet --initial-branch=gh-pages public
git -C public add --all
git -C public -c user.name=practicum -c user.email=practicum@localhost commit --quiet --message="Pages of ${TAG:-a release}"
git -C public push --force "$remote" gh-pages
