/** Throws with the reason when they cannot be had. */
export function installLocked(directory: string): Promise<void>
export function packageVersion(directory: string, name: string): string
