/** The errno values that QEMU and the kernel answer with on the paths modelled here, and glibc's words for them. */
export const errors = {
  EPERM: { number: 1, text: 'Operation not permitted' },
  ENOENT: { number: 2, text: 'No such file or directory' },
  E2BIG: { number: 7, text: 'Argument list too long' },
  ENOMEM: { number: 12, text: 'Cannot allocate memory' },
  EACCES: { number: 13, text: 'Permission denied' },
  EFAULT: { number: 14, text: 'Bad address' },
  EBUSY: { number: 16, text: 'Device or resource busy' },
  EEXIST: { number: 17, text: 'File exists' },
  EINVAL: { number: 22, text: 'Invalid argument' },
  ENOTTY: { number: 25, text: 'Inappropriate ioctl for device' },
  ENOSPC: { number: 28, text: 'No space left on device' },
  EOVERFLOW: { number: 75, text: 'Value too large for defined data type' },
  EOPNOTSUPP: { number: 95, text: 'Operation not supported' },
} as const;

export type Errno = keyof typeof errors;
