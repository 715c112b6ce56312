// Package recipes follows the recipes of CONTRIBUTING.md in a copy of the repository: what a recipe
// does not name, or names in vain, is found, and so is a step that could be forgotten without a word.
package recipes
