export const Compare = () => <p>Compare</p>;
