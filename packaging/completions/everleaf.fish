# SPDX-License-Identifier: MIT
#
# everleaf.fish — completion for fish: everleaf knows its words itself.

function __everleaf_complete
	set -l current (commandline -ct)
	set -l words (commandline -opc)
	set -l lines ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
	if test (count $lines) -gt 0
		printf '%s\n' $lines
	else
		__fish_complete_path "$current"
	end
end
complete -c everleaf -f -a '(__everleaf_complete)'
