# SPDX-License-Identifier: MIT
#
# everleaf.bash — completion for bash: everleaf knows its words itself.

_everleaf() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	[ "${#COMPREPLY[@]}" -gt 0 ] || compopt -o default
}
complete -F _everleaf everleaf
